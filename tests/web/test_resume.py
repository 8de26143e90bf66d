"""What is there is not asked for again, and what was cut short goes on."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import textwrap
from typing import Any

import pytest

from clairo.embeddings import web
from clairo.embeddings.web.records import Manifest, locked
from clairo.errors import InputError


def test_nothing_is_asked_twice(site: Any, shelf: Any, answers: Any) -> None:
    addresses = {
        "ok": [site.serve("/a", answers.noise())],
        "gone": [f"{site.url}/gone"],
        "busy": [site.answer("/busy", answers.status(503))],
    }
    first = shelf.fetch(addresses, retries=0)
    asked = dict(site.asked)
    # The download came to its end: what failed is left alone, until somebody says otherwise.
    assert shelf.fetch(addresses, retries=0) == first
    assert site.asked == asked
    shelf.fetch(addresses, retries=0, again="passing")
    assert site.asked == {"/a": 1, "/gone": 1, "/busy": 2}
    shelf.fetch(addresses, retries=0, again="all")
    assert site.asked == {"/a": 1, "/gone": 2, "/busy": 3}
    site.serve("/gone", answers.noise())
    assert shelf.fetch(addresses, retries=0, again="all")["gone"].ok


def test_a_failure_is_asked_again_where_another_answer_can_be_expected(
    site: Any, shelf: Any, answers: Any
) -> None:
    url = site.serve("/a", answers.noise(100))
    assert shelf.one(url, private_networks=[]).status == "not-public"
    assert shelf.one(url, max_pixels=9_999).status == "too-many-pixels"
    assert shelf.one(url).ok
    assert shelf.one(f"{site.url}/gone").status == "http-404"
    assert shelf.one(f"{site.url}/gone", url).ok


def test_a_picture_outside_new_limits_or_of_another_address_does_not_stay(
    site: Any, shelf: Any, answers: Any
) -> None:
    old, new = (site.serve(path, answers.noise(side)) for path, side in (("/a", 50), ("/b", 40)))
    shelf.one(old)
    assert shelf.one(new).source == new
    assert shelf.one(new, max_pixels=1_599).status == "too-many-pixels"
    assert shelf.one(new, min_side=41).status == "too-small"
    assert shelf.one(new, max_bytes=100).status == "too-large"


@pytest.mark.parametrize("damage", ["missing", "cut", "changed"])
def test_a_damaged_picture_is_fetched_anew(site: Any, shelf: Any, answers: Any, damage: str) -> None:
    picture = answers.noise()
    url, path = site.serve("/a", picture), shelf.folder / "B1.jpg"
    shelf.one(url)
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(picture[:-1] if damage == "cut" else picture[:-1] + b"\0")
    assert shelf.one(url).ok
    assert path.read_bytes() == picture
    assert site.asked == {"/a": 2}


def test_a_picture_in_another_format_takes_the_place_of_the_old_one(
    site: Any, shelf: Any, answers: Any
) -> None:
    png = answers.noise(kind="PNG")
    shelf.one(site.serve("/a", answers.noise()))
    shelf.one(site.serve("/b", png))
    assert shelf.files == {"B1.png": png}


def test_a_line_that_a_kill_cut_short_is_forgotten_and_no_other(site: Any, shelf: Any, answers: Any) -> None:
    addresses = {item: [site.serve(f"/{item}", answers.noise())] for item in "ABC"}
    shelf.fetch(addresses)
    path = shelf.folder / "pictures.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines)[:-20])
    assert set(shelf.records) == {"A", "B"}
    shelf.fetch(addresses)
    assert path.read_text().splitlines(keepends=True) == lines
    assert site.asked == {"/A": 1, "/B": 1, "/C": 2}
    path.write_text("".join([lines[0], "no json\n", lines[2]]))
    with pytest.raises(InputError, match=r"pictures\.jsonl, line 2: "):
        shelf.fetch(addresses)


def test_too_many_missing_stop_the_download_early(site: Any, shelf: Any, answers: Any) -> None:
    def slowly(request: Any) -> None:
        site.closing.wait(0.02)
        answers.status(404)(request)

    addresses: dict[str, Any] = {f"A{n:03}": [site.answer(f"/{n}", slowly)] for n in range(100)}
    addresses["bare"] = None  # has no address, so it does not count
    message = r"of 100 pictures are missing so far: http-404: \d+; the first: http"
    with pytest.raises(InputError, match=message) as caught:
        shelf.fetch(addresses, max_missing_share=0.1, concurrency=2)
    assert "max_missing_share" in str(caught.value)
    assert 11 <= sum(site.asked.values()) < 100
    # As many as allowed are no reason to stop, and one more is.
    some = {f"B{number}": [site.serve(f"/b{number}", answers.noise(20))] for number in range(9)}
    some["B9"] = [f"{site.url}/gone"]
    shelf.fetch(some, max_missing_share=0.1)
    with pytest.raises(InputError, match="1 of 10 pictures are missing so far"):
        shelf.fetch(some, max_missing_share=0.09)


def test_a_download_that_failed_goes_on_with_what_may_have_passed(
    site: Any, shelf: Any, answers: Any
) -> None:
    addresses = {
        "busy": [site.answer("/busy", answers.status(503), answers.body(answers.noise()))],
        "ok": [site.serve("/ok", answers.noise())],
    }
    with pytest.raises(InputError, match="1 of 2 pictures are missing"):
        shelf.fetch(addresses, retries=0, max_missing_share=0, concurrency=1)
    assert all(record.ok for record in shelf.fetch(addresses, retries=0, max_missing_share=0).values())
    assert site.asked == {"/busy": 2, "/ok": 1}


def test_the_summary_counts_and_lists(site: Any, shelf: Any, answers: Any) -> None:
    same = answers.noise()
    addresses: dict[str, Any] = {
        "A": [site.serve("/a", same)],
        "B": [site.serve("/b", same)],
        "C": [f"{site.url}/gone"],
        "D": None,
        "E": [f"{site.url}/gone"],
    }
    shelf.fetch(addresses)
    assert web.summary(list(addresses), shelf.folder) == {
        "downloaded": 2,
        "distinct": 1,
        "bytes": 2 * len(same),
        "missing": {"http-404": 2, "no-address": 1},
        "missing_items": {"http-404": ["C", "E"], "no-address": ["D"]},
    }
    paths = [None if path is None else path.name for path in web.paths(list("EBAD"), shelf.folder)]
    assert paths == [None, "B.jpg", "A.jpg", None]


def test_the_digest_is_of_the_pictures_of_the_items_alone(site: Any, shelf: Any, answers: Any) -> None:
    shelf.fetch({"A": [site.serve("/a", answers.noise(20))]})
    before = web.content(["A", "B"], shelf.folder)
    shelf.fetch({"C": [site.serve("/c", answers.noise(30))]})
    assert web.content(["A", "B"], shelf.folder) == before
    shelf.fetch({"B": [site.serve("/b", answers.noise(40))]})
    assert web.content(["A", "B"], shelf.folder) != before


def test_two_downloads_keep_out_of_one_folder(shelf: Any) -> None:
    with locked(shelf.folder), pytest.raises(InputError, match="another clairo downloads into"):
        shelf.one("http://127.0.0.1:1/a")


PROGRAM = """
    import sys
    from pathlib import Path
    from clairo import interrupts, log
    from clairo.config import DownloadConfig
    from clairo.embeddings import web

    class Noted:
        def advance(self, n=1, **info):
            interrupts.check()
            if n: print("one", flush=True)

    from contextlib import contextmanager
    @contextmanager
    def step(name, total=None):
        yield Noted()

    log.step = step
    table, folder, options = sys.argv[1:]
    import polars as pl
    items = pl.read_parquet(table)["item"].to_list()
    try:
        with interrupts.heard():
            web.fetch(items, Path(table), DownloadConfig.model_validate_json(options), Path(folder))
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_download_that_is_stopped_half_way_goes_on_there(
    site: Any, shelf: Any, answers: Any, how: signal.Signals
) -> None:
    pictures = {f"B{number}": answers.noise(20 + number) for number in range(6)}
    addresses = {item: [site.serve(f"/{item}", content)] for item, content in pictures.items()}
    stuck = {"C1": [site.silent("/C1")], "C2": [site.drip("/C2", answers.noise(90))]}
    # One by one, so that the six are there when the others hang; a try may last far longer than the test.
    options = json.dumps({"private_networks": ["127.0.0.1/32"], "concurrency": 8, "read_seconds": 600})
    with pytest.raises(InputError):  # writes the table, and fetches nothing
        shelf.fetch(addresses | stuck, private_networks=[], max_missing_share=0)
    assert not shelf.files
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), str(shelf.table), str(shelf.folder), options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(8 + 6):  # all looked at, then six fetched
            assert process.stdout.readline() == "one\n"
        os.kill(process.pid, how)
        assert process.wait(20) == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert {name: content for name, content in shelf.files.items() if not name.startswith(".")} == {
        f"{item}.jpg": content for item, content in pictures.items()
    }
    assert {item for item, record in shelf.records.items() if record.ok} == set(pictures)
    for item in stuck:
        site.serve(f"/{item}", answers.noise())
    asked = dict(site.asked)
    assert all(record.ok for record in shelf.fetch(addresses | stuck).values())
    assert {path for path, count in site.asked.items() if count > asked.get(path, 0)} == {"/C1", "/C2"}


def test_it_works_inside_an_event_loop(site: Any, shelf: Any, answers: Any) -> None:
    async def cell() -> bool:  # of a notebook
        return bool(shelf.one(site.serve("/a", answers.noise())).ok)

    assert asyncio.run(cell())


def test_a_disk_that_is_full_is_told_as_such(
    site: Any, shelf: Any, answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clairo.embeddings.web.download._write", full)
    with pytest.raises(OSError, match="No space left"):
        shelf.one(site.serve("/a", answers.noise()))
    monkeypatch.undo()
    assert shelf.one(site.url + "/a").ok
    assert Manifest(shelf.folder).records["B1"].ok

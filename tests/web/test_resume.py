"""What is there is not asked for again, and what was cut short goes on."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import re
import resource
import signal
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from clairo import interrupts
from clairo.embeddings import web
from clairo.embeddings.web import download
from clairo.embeddings.web.records import Manifest, Record, locked
from clairo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

PICTURE = {
    "item": "A",
    "status": "ok",
    "asked": "x",
    "source": "http://a.example/a",
    "file": "A.jpg",
    "bytes": 9,
    "sha256": "0" * 64,
}


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


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("no json", "Invalid JSON"),
        ('["A"]', "an object"),
        ('{"item": "A", "asked": "x"}', "status: "),
        ('{"item": "A", "asked": "x", "status": "ok", "colour": "red"}', "colour: "),
        ('{"item": 7, "asked": "x", "status": "http-404"}', "item: "),
        ('{"item": "A", "asked": "x", "status": "ok"}', "a picture without its source"),
        ('{"item": "A", "asked": "x", "status": "http-404", "failures": [["a", 1]]}', "failures: 0: 1: "),
        (json.dumps(PICTURE | {"file": "../up.jpg"}), "'../up.jpg' is no name"),
        (json.dumps(PICTURE | {"file": "/etc/passwd"}), "'/etc/passwd' is no name"),
        (json.dumps(PICTURE | {"file": ".."}), "'..' is no name"),
        (json.dumps(PICTURE | {"file": "B.jpg"}), "'B.jpg' is no name"),
    ],
)
def test_a_line_that_no_download_wrote_is_told(shelf: Any, entry: str, message: str) -> None:
    shelf.folder.mkdir()
    lines = [json.dumps(PICTURE), entry, json.dumps(PICTURE)]
    (shelf.folder / "pictures.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match=rf"pictures\.jsonl, line 2: .*{re.escape(message)}"):
        shelf.fetch({"A": None})


@pytest.mark.parametrize("text", ["", "7", "{}", "[1, [2]]", "no json"])
def test_a_damaged_note_of_what_is_finished_costs_nothing(
    site: Any, shelf: Any, answers: Any, text: str
) -> None:
    url = site.serve("/a", answers.noise())
    shelf.one(url)
    (shelf.folder / "finished.json").write_text(text)
    assert shelf.one(url).ok
    assert site.asked == {"/a": 1}


def test_a_disk_that_fills_up_leaves_no_half_a_line(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path)
    manifest.add(Record("A", "http-404", "x"))
    path = tmp_path / "pictures.jsonl"
    before = path.read_bytes()
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 9, old[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            manifest.add(Record("B", "http-404", "x"))
        assert path.read_bytes() == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    manifest.add(Record("C", "http-404", "x"))
    assert set(Manifest(tmp_path).records) == {"A", "C"}


def test_what_a_kill_left_half_way_goes_and_links_are_not_followed(
    site: Any, shelf: Any, answers: Any, tmp_path: Path
) -> None:
    shelf.folder.mkdir()
    precious = tmp_path / "precious"
    precious.write_text("kept")
    for name in (".B1.jpg.partial", ".lock"):
        (shelf.folder / name).symlink_to(precious)
    (shelf.folder / ".B2.png.partial").write_bytes(b"half")
    assert shelf.one(site.serve("/a", answers.noise())).ok
    assert set(shelf.files) == {"B1.jpg"}
    assert precious.read_text() == "kept"
    (shelf.folder / ".B9.jpg.partial").symlink_to(precious)  # laid there a moment later
    with pytest.raises(FileExistsError):
        download._write(shelf.folder / "B9.jpg", b"picture")
    assert precious.read_text() == "kept"


def test_too_many_missing_stop_the_download_early(site: Any, shelf: Any, answers: Any) -> None:
    # Past thirty nothing answers any more: a download that does not stop would hang there.
    urls = [f"{site.url}/{number}" if number < 30 else site.silent(f"/{number}") for number in range(100)]
    addresses: dict[str, Any] = {f"A{number:03}": [url] for number, url in enumerate(urls)}
    addresses["bare"] = None  # has no address, so it does not count
    message = r"of 100 pictures are missing so far: http-404: \d+; the first: http"
    with pytest.raises(InputError, match=message) as caught:
        shelf.fetch(addresses, max_missing_share=0.1, concurrency=2)
    assert "max_missing_share" in str(caught.value)
    assert 11 <= sum(site.asked.values()) <= 30 + 2
    # As many as allowed are no reason to stop, and one more is.
    some = {f"B{number}": [site.serve(f"/b{number}", answers.noise(20))] for number in range(9)}
    some["B9"] = [f"{site.url}/gone"]
    shelf.fetch(some, max_missing_share=0.1)
    with pytest.raises(InputError, match="1 of 10 pictures are missing so far"):
        shelf.fetch(some, max_missing_share=0.09)


def test_a_download_that_failed_goes_on_with_what_may_have_passed(
    site: Any, shelf: Any, answers: Any
) -> None:
    addresses = {"ok": [site.serve("/ok", answers.noise())]}
    shelf.fetch(addresses)  # by itself: the first failure stops the download, whatever else is under way
    addresses["busy"] = [site.answer("/busy", answers.status(503), answers.body(answers.noise()))]
    with pytest.raises(InputError, match="1 of 2 pictures are missing"):
        shelf.fetch(addresses, retries=0, max_missing_share=0)
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
        assert process.wait(600) == (130 if how == signal.SIGINT else -signal.SIGKILL)
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


def test_what_came_is_kept_wherever_ctrl_c_falls(
    site: Any, shelf: Any, answers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    get = queue.Queue.get

    def interrupted(self: Any, *args: Any, **options: Any) -> Any:
        found = get(self, *args, **options)
        signal.raise_signal(signal.SIGINT)  # out of the queue, and not in the manifest yet
        return found

    url = site.serve("/a", answers.noise())
    monkeypatch.setattr(queue.Queue, "get", interrupted)
    with interrupts.heard(), pytest.raises(interrupts.Interrupted):
        shelf.one(url)
    assert shelf.records["B1"].ok

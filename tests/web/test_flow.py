"""From metadata with addresses to vectors of pictures, as it is typed."""

from __future__ import annotations

import gzip
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from clairo.artifacts import Embedding
from clairo.cli import app

if TYPE_CHECKING:
    from pathlib import Path

SMALL = """
[reviews]
reviews = "Things_5.json.gz"
metadata = "meta_Things.json.gz"
[sequences]
min_item_events = 1
[embeddings.text]
width = 8
[embeddings.image.download]
enabled = true
private_networks = ["127.0.0.1"]
backoff_seconds = 0.01
retries = 1
[fused]
widths = {text = 8, image = 8}
[codes]
books = 2
values = 4
[vocabulary]
size = 180
[model]
layers = 1
d_model = 16
d_ff = 32
heads = 2
d_kv = 8
batch_size = 32
epochs = 1
validation_beams = 5
"""
N_ITEMS, N_USERS = 16, 30


class Shop:
    """The two raw files, whose items have their pictures on a site, and commands to type."""

    def __init__(self, folder: Path, site: Any, answers: Any, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.site, self._capsys = folder, site, capsys
        rng = np.random.default_rng(0)
        bought = [rng.choice(N_ITEMS, size=8, replace=False) for _ in range(N_USERS)]
        self.write(
            "Things_5.json.gz",
            [review(user, int(i), day) for user, items in enumerate(bought) for day, i in enumerate(items)],
        )
        self.metadata = [meta(i, site.url) for i in range(N_ITEMS)]
        self.metadata[1] = {**meta(1, site.url), "imageURLHighRes": [], "imageURL": []}
        self.write("meta_Things.json.gz", self.metadata)
        for number in range(N_ITEMS):
            site.serve(f"/large/{number}.jpg", answers.noise(40 + number))
            site.serve(f"/small/{number}.jpg", answers.noise(20))
        del site.answers["/large/2.jpg"], site.answers["/large/3.jpg"], site.answers["/small/3.jpg"]
        (folder / "things.toml").write_text(SMALL, "utf-8")
        self.out = folder / "run"

    def write(self, name: str, rows: list[dict[str, Any]]) -> Path:
        path = self.folder / name
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0))
        return path

    def type(self, *words: object) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of a command."""
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            app(["--progress", "plain", *map(str, words)], prog_name="clairo")
        code = ended.value.code
        out, err = self._capsys.readouterr()
        return code if isinstance(code, int) else 0, out, err

    def run(self, *words: object, until: str = "embeddings") -> str:
        """Type `clairo run`; what it says."""
        code, _, err = self.type(
            "run", self.folder / "things.toml", "--out", self.out, "--until", until, *words
        )
        assert code == 0, err
        return err

    def images(self, run: Path | None = None) -> Embedding:
        return Embedding.load((run or self.out) / "embeddings" / "image.npz")

    def report(self, run: Path | None = None) -> dict[str, Any]:
        text = ((run or self.out) / "embeddings" / "report.json").read_text("utf-8")
        found: dict[str, Any] = json.loads(text)["image"]
        return found


def review(user: int, item: int, day: int) -> dict[str, Any]:
    return {
        "reviewerID": f"U{user:02}",
        "asin": f"I{item:02}",
        "unixReviewTime": 1_500_000_000 + 86_400 * day,
    }


def meta(item: int, site: str) -> dict[str, Any]:
    words = ["red", "green", "blue", "round", "long", "soft"]
    return {
        "asin": f"I{item:02}",
        "title": f"{words[item % 6]} thing number {item}",
        "imageURL": [f"{site}/small/{item}.jpg"],
        "imageURLHighRes": [f"{site}/large/{item}.jpg"],
    }


@pytest.fixture
def shop(tmp_path: Path, site: Any, answers: Any, capsys: pytest.CaptureFixture[str]) -> Shop:
    return Shop(tmp_path, site, answers, capsys)


def test_pictures_become_vectors(shop: Shop, answers: Any) -> None:
    shop.run()
    images, report = shop.images(), shop.report()
    missing = [str(item) for item in images.ids[~images.present]]
    assert missing == ["I01", "I03"]
    assert report["download"]["missing"] == {"no-address": 1, "http-404": 1}
    assert report["download"]["missing_items"] == {"no-address": ["I01"], "http-404": ["I03"]}
    assert (report["download"]["downloaded"], report["pictures"], report["present"]) == (14, 14, 14)
    records = {
        entry["item"]: entry
        for line in (shop.out / "pictures" / "pictures.jsonl").read_text("utf-8").splitlines()
        if (entry := json.loads(line))
    }
    assert len(records) == 15
    assert (records["I02"]["width"], records["I02"]["url"]) == (20, f"{shop.site.url}/small/2.jpg")
    assert (records["I04"]["width"], records["I04"]["url"]) == (44, f"{shop.site.url}/large/4.jpg")
    assert "/small/4.jpg" not in shop.site.asked
    asked = dict(shop.site.asked)

    # Neither a second run nor how one downloads makes anything again, or asks for anything.
    assert "embeddings: stands" in shop.run()
    assert "embeddings: stands" in shop.run("--set", "embeddings.image.download.concurrency=2")
    assert shop.site.asked == asked
    _, out, _ = shop.type("status", shop.out)
    assert "embeddings       done" in out

    # What comes later does.
    shop.site.serve("/large/3.jpg", answers.noise(30))
    assert "embeddings: stands" in shop.run()
    code, out, _ = shop.type("pictures", shop.out)
    assert (code, out) == (0, f"{shop.out / 'pictures'}\n")
    assert shop.site.asked == asked  # a 404 counts as final
    shop.type("pictures", shop.out, "--again")
    _, out, _ = shop.type("status", shop.out)
    assert "embeddings       stale    inputs.pictures: " in out
    assert "embeddings: made again, because of inputs.pictures: " in shop.run()
    assert shop.images().present.sum() == 15


def test_pictures_are_fetched_here_and_encoded_elsewhere(shop: Shop) -> None:
    shop.run(until="sequences")
    code, _, err = shop.type("pictures", shop.out)
    assert code == 0
    assert "download pictures: 15/15" in err
    shop.site.close()
    asked = dict(shop.site.asked)
    elsewhere = shop.folder / "elsewhere"
    shop.out.rename(elsewhere)
    code, _, err = shop.type(
        "run", elsewhere / "config.toml", "--out", elsewhere, "--from", "embeddings", "--until", "embeddings"
    )
    assert code == 0, err
    assert shop.images(elsewhere).present.sum() == 14
    assert shop.site.asked == asked


def test_two_runs_share_a_folder(shop: Shop) -> None:
    common = ("--set", f"embeddings.image.download.folder={shop.folder / 'common'}")
    shop.run(*common)
    asked = dict(shop.site.asked)
    first, shop.out = shop.out, shop.folder / "second"
    shop.run(*common, "--set", "embeddings.text.width=4")
    assert shop.site.asked == asked
    assert not (first / "pictures").exists()
    np.testing.assert_array_equal(shop.images(first).vectors, shop.images().vectors)


def test_too_many_missing_end_the_run_and_keep_what_came(shop: Shop) -> None:
    strict = ("--set", "embeddings.image.download.max_missing_share=0.01")
    code, _, err = shop.type("run", shop.folder / "things.toml", "--out", shop.out, *strict)
    assert code == 2
    assert "1 of 15 pictures are missing so far: http-404: 1; the first: " in err
    assert not (shop.out / "embeddings").exists()
    kept = {path.name for path in (shop.out / "pictures").glob("*.jpg")}
    shop.run()
    assert kept <= {path.name for path in (shop.out / "pictures").glob("*.jpg")}
    assert max(count for path, count in shop.site.asked.items() if path.startswith("/large")) <= 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["embeddings.image.download.enabled=true", "embeddings.image.folder=x"], "two sources of pictures"),
        (["embeddings.image.download.folder=run/embeddings/p"], "lies in the run folder"),
        (["embeddings.image.download.mirrors=[{prefix='a', mirror='b'}]"], "should match pattern"),
        (["embeddings.image.download.private_networks=['lan']"], "private_networks"),
    ],
)
def test_options_that_do_not_hold(
    shop: Shop, words: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shop.folder)
    sets = [part for word in words for part in ("--set", word)]
    code, _, err = shop.type("run", "things.toml", "--out", "run", *sets)
    assert code == 2
    assert message in err


def test_a_run_without_downloads_says_so(shop: Shop) -> None:
    shop.run("--set", "embeddings.image.encoder=none", until="sequences")
    code, _, err = shop.type("pictures", shop.out)
    assert code == 2
    assert "downloads no pictures" in err
    assert not (shop.out / "pictures").exists()


def test_without_sequences_there_is_nothing_to_download_for(shop: Shop) -> None:
    shop.run(until="reviews")
    code, _, err = shop.type("pictures", shop.out)
    assert code == 2
    assert "downloading needs sequences" in err
    assert "run it with --until sequences" in err
    assert "--from" not in err


def test_new_items_bring_their_pictures(shop: Shop, answers: Any) -> None:
    shop.run(until="model")
    shutil.rmtree(shop.out / "pictures")  # of old items nothing is needed any more
    asked = dict(shop.site.asked)
    shop.site.serve("/large/90.jpg", answers.noise(50))
    new = shop.write("new.json.gz", [meta(90, shop.site.url), meta(4, shop.site.url)])
    added = shop.folder / "added"
    code, _, err = shop.type("add", shop.out, "--out", added, "--metadata", new)
    assert code == 0, err
    images, before = shop.images(added), shop.images()
    assert images.ids[-1] == "I90"
    assert images.present[-1]
    np.testing.assert_array_equal(images.vectors[:-1], before.vectors)
    assert {path for path in shop.site.asked if shop.site.asked[path] != asked.get(path)} == {"/large/90.jpg"}
    assert shop.report(added)["download"]["downloaded"] == 1
    manifest = json.loads((added / "embeddings" / "manifest.json").read_text("utf-8"))
    assert set(manifest["parts"]["added"]["files"]) == {"pictures"}
    code, _, err = shop.type("pictures", added)
    assert code == 2
    assert "made by `clairo add`" in err

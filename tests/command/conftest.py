"""A tiny world of raw files, and a way to type commands."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from clairo.cli import app

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SMALL = [
    "sequences.min_item_events=1",
    "embeddings.text.width=8",
    "embeddings.image.encoder=none",
    "fused.mode=text",
    "fused.widths.text=8",
    "codes.books=2",
    "codes.values=4",
    "vocabulary.size=180",
    "model.layers=1",
    "model.d_model=16",
    "model.d_ff=32",
    "model.heads=2",
    "model.d_kv=8",
    "model.batch_size=32",
    "model.epochs=2",
    "model.validation_beams=5",
    "recommendations.views=2",
    "report.resamples=50",
]


def write_gzip(path: Path, lines: Iterable[str]) -> None:
    path.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0))


def review(user: int, item: int, day: int) -> dict[str, Any]:
    return {
        "overall": 5.0,
        "verified": True,
        "reviewTime": "01 1, 2018",
        "reviewerID": f"U{user:03}",
        "asin": f"I{item:03}",
        "reviewText": "good",
        "summary": "good",
        "unixReviewTime": 1_500_000_000 + 86_400 * day,
    }


def meta(item: int) -> dict[str, Any]:
    words = ["red", "green", "blue", "round", "square", "long", "short", "soft"]
    title = f"{words[item % 8]} {words[item // 8 % 8]} thing number {item}"
    return {
        "asin": f"I{item:03}",
        "title": title,
        "brand": words[item % 5],
        "category": ["Things"],
        "image": [],
    }


class World:
    """The two raw files of 40 users and 24 items, a configuration that reads them, and commands to type."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        rng = np.random.default_rng(0)
        self.rows = [
            review(user, int(item), day)
            for user in range(40)
            for day, item in enumerate(rng.choice(24, size=8, replace=False))
        ]
        self.reviews = folder / "Things_5.json.gz"
        self.metadata = folder / "meta_Things.json.gz"
        self.write_reviews(json.dumps(row) for row in self.rows)
        write_gzip(self.metadata, (json.dumps(meta(item)) for item in range(24)))
        self.config = folder / "things.toml"
        self.config.write_text(
            '[reviews]\nreviews = "Things_5.json.gz"\nmetadata = "meta_Things.json.gz"\n', "utf-8"
        )
        self.out = folder / "run"

    def write_reviews(self, lines: Iterable[str]) -> None:
        write_gzip(self.reviews, lines)

    def write(self, name: str, content: object) -> Path:
        """A file beside the raw ones: text as it is, an array as `.npy`, anything else as JSON."""
        path = self.folder / name
        if isinstance(content, np.ndarray):
            np.save(path, content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return path

    def type(self, *words: object) -> Answer:
        """Type a command in this process."""
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            app([str(word) for word in words], prog_name="clairo")
        out, err = self._capsys.readouterr()
        code = ended.value.code
        return Answer(code if isinstance(code, int) else 0, out, err)

    def run(self, *words: object, **overrides: object) -> Answer:
        """Type `clairo run` with the tiny settings and `section__key=value` on top of them."""
        return self.type(*self.command(*words, **overrides))

    def command(self, *words: object, **overrides: object) -> list[str]:
        """The words of `clairo run`."""
        extra = [f"{name.replace('__', '.')}={value}" for name, value in overrides.items()]
        sets = [word for setting in (*SMALL, *extra) for word in ("--set", setting)]
        return [str(word) for word in ("run", self.config, "--out", self.out, *sets, *words)]


@dataclass(frozen=True)
class Answer:
    """What a command gave back."""

    code: int
    out: str
    err: str


@pytest.fixture
def world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> World:
    return World(tmp_path, capsys)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the tiny world; tests that change it copy it first."""
    folder = tmp_path_factory.mktemp("finished")
    world = World(folder, cast("Any", None))
    app_words = world.command()
    with pytest.raises(SystemExit) as ended:
        app(app_words, prog_name="clairo")
    assert not ended.value.code
    return world.out

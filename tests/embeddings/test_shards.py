"""Encoding in shards: interrupted work is not done again, and nothing else is trusted."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clairo.artifacts import Embedding
from clairo.embeddings import shards, text
from clairo.errors import ClairoError

IDS = np.array([f"item {row}" for row in range(10)])
TEXTS = ["a", "bb", "", "cccc", "eeeee", "ffffff", "", "hh", "i", "jjj"]


class Lengths:
    """An encoder that counts what it is asked, and breaks at a text if told to."""

    def __init__(self, break_at: str | None = None) -> None:
        self.seen: list[str] = []
        self.break_at = break_at

    def __call__(self, texts: list[str]) -> NDArray[np.float32]:
        if self.break_at in texts:
            raise KeyboardInterrupt
        self.seen += texts
        return np.array([[len(word), 1] for word in texts], dtype=np.float32)


def run(folder: Path, encoder: Lengths, texts: list[str] = TEXTS, size: int = 3) -> Embedding:
    return text.encode(texts, IDS, lambda: encoder, at_once=2, shard_items=size, folder=folder)


def test_items_without_a_text_are_absent(tmp_path: Path) -> None:
    made = run(tmp_path, Lengths())
    np.testing.assert_array_equal(made.present, [bool(word) for word in TEXTS])
    np.testing.assert_array_equal(made.vectors, [[len(word), bool(word)] for word in TEXTS])


def test_an_interrupted_run_goes_on_at_the_shard_that_is_missing(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", Lengths())
    first = Lengths(break_at="ffffff")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", first)
    assert first.seen == ["a", "bb", "cccc"]
    second = Lengths()
    resumed = run(tmp_path / "cut", second)
    assert second.seen == ["eeeee", "ffffff", "hh", "i", "jjj"]
    assert resumed.vectors.tobytes() == whole.vectors.tobytes()
    np.testing.assert_array_equal(resumed.present, whole.present)


def test_the_encoder_is_not_loaded_when_every_shard_is_there(tmp_path: Path) -> None:
    whole = run(tmp_path, Lengths())

    def load() -> text.Encoder:
        raise AssertionError("nothing is left to encode")

    again = text.encode(TEXTS, IDS, load, at_once=2, shard_items=3, folder=tmp_path)
    np.testing.assert_array_equal(again.vectors, whole.vectors)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-20]),
        lambda path: path.write_bytes(b""),
        lambda path: np.savez(path, ids=IDS[:3]),
        lambda path: path.replace(path.with_name("00000.npz")),  # another shard's items
    ],
)
def test_a_shard_that_is_damaged_or_of_other_items_is_made_again(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    whole = run(tmp_path, Lengths())
    spoil(tmp_path / "00001.npz")
    again = Lengths()
    np.testing.assert_array_equal(run(tmp_path, again).vectors, whole.vectors)
    assert "eeeee" in again.seen
    assert "i" not in again.seen


def test_shards_of_another_size_are_not_mistaken(tmp_path: Path) -> None:
    whole = run(tmp_path, Lengths(), size=3)
    np.testing.assert_array_equal(run(tmp_path, Lengths(), size=4).vectors, whole.vectors)


def test_a_vector_that_is_not_finite_is_a_fault(tmp_path: Path) -> None:
    def broken(texts: list[str]) -> NDArray[np.float32]:
        return np.array([[np.nan if word == "hh" else 1] for word in texts], dtype=np.float32)

    with pytest.raises(ClairoError, match="gave item 'item 7' a vector that is not finite"):
        text.encode(TEXTS, IDS, lambda: broken, at_once=2, shard_items=3, folder=tmp_path)


def test_a_shard_with_nothing_in_it_takes_its_width_from_the_others(tmp_path: Path) -> None:
    def encode(rows: shards.Rows, step: object) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        readable = rows >= 3
        width = 2 if readable.any() else 0
        vectors = np.where(readable[:, None], np.float32(1), np.float32(0))
        return np.repeat(vectors, width, axis=1), readable

    made = shards.encode("x", IDS, np.arange(10), encode, size=3, folder=tmp_path)
    assert made.vectors.shape == (10, 2)
    np.testing.assert_array_equal(made.present, np.arange(10) >= 3)
    none = shards.encode("x", IDS, np.arange(3), encode, size=3, folder=tmp_path / "none")
    assert not none.present.any()

"""A vocabulary that grows: old tokens keep their meaning, new ones go on where the old ones end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clairo import InputError, Vocabulary

if TYPE_CHECKING:
    import numpy.typing as npt

Arrays = tuple["npt.NDArray[np.int64]", "npt.NDArray[np.int64]", "npt.NDArray[np.int64]"]
CARDINALITIES = [4, 3, 2]


@st.composite
def corpora(draw: st.DrawFn) -> Arrays:
    """A few items out of all that the cardinalities allow, and histories of them."""
    every = np.stack(np.unravel_index(np.arange(24), CARDINALITIES), axis=1)
    chosen = draw(st.lists(st.integers(0, 23), min_size=1, max_size=10, unique=True))
    rows = draw(st.lists(st.lists(st.integers(0, len(chosen) - 1), max_size=12), max_size=6))
    offsets = np.cumsum([0, *map(len, rows)])
    return every[chosen], offsets, np.array([event for row in rows for event in row], dtype=np.int64)


def train(corpus: Arrays, size: int) -> Vocabulary:
    return Vocabulary.train(*corpus, size=size, cardinalities=CARDINALITIES)


def file_of(vocabulary: Vocabulary) -> Any:
    return json.loads(vocabulary._core.to_json())


@given(corpora(), st.integers(1, 40), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_without_new_data_it_is_a_longer_training(corpus: Arrays, size: int, more: int) -> None:
    small = train(corpus, size)
    wanted = len(small) + more
    grown, trained = small.expand(*corpus, size=wanted), train(corpus, wanted)
    assert grown.joined is not None
    assert trained.joined is not None
    assert np.array_equal(grown.joined, trained.joined)
    assert grown._core.to_json() == trained._core.to_json()
    again = grown.expand(*corpus, size=len(grown))
    assert file_of(again)["clairo"].pop("size_asked") == len(grown)
    assert again.merges.tolist() == grown.merges.tolist()
    assert again.counts == grown.counts


@given(corpora(), corpora(), st.integers(1, 40), st.integers(0, 40))
@settings(max_examples=200, deadline=None)
def test_old_tokens_keep_ids_features_and_numbers(old: Arrays, new: Arrays, size: int, more: int) -> None:
    small = train(old, size)
    large = small.expand(*new, size=len(small) + more)
    n = len(small.merges)
    assert large.initial_tokens == small.initial_tokens
    assert large.cardinalities == CARDINALITIES
    assert large.merges[:n].tolist() == small.merges.tolist()
    assert large.priorities[:n].tolist() == small.priorities.tolist()
    assert small.counts is not None
    assert large.counts is not None
    assert small.joined is not None
    assert large.joined is not None
    assert large.counts[:n] == small.counts
    for before, after in zip(small.joined, large.joined, strict=True):
        assert after[:n].tolist() == before.tolist()
    for token in range(1, len(small)):
        assert large.features_of(token) == small.features_of(token)
    assert len(set(map(tuple, large.merges.tolist()))) == len(large.merges)


@given(corpora(), corpora(), st.integers(1, 40), st.integers(0, 40))
@settings(max_examples=100, deadline=None)
def test_new_items_decode_to_their_codes(old: Arrays, new: Arrays, size: int, more: int) -> None:
    small = train(old, size)
    large = small.expand(*new, size=len(small) + more)
    features = new[0]
    tokens, offsets = large.canonical(features)
    for row, part in zip(features, np.split(tokens, offsets[1:-1]), strict=True):
        values = large.decode(part)
        assert values is not None
        assert values.tolist() == row.tolist()


@given(corpora(), corpora(), st.integers(1, 40), st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_a_grown_vocabulary_survives_its_file(old: Arrays, new: Arrays, size: int, more: int) -> None:
    small = train(old, size)
    large = small.expand(*new, size=len(small) + more)
    text = large._core.to_json()
    loaded = Vocabulary(large._core.from_json(text, Path("v.json")))
    assert loaded._core.to_json() == text


OLD: Arrays = (np.array([[0, 0], [1, 0]]), np.array([0, 4]), np.array([0, 1, 0, 1]))


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_threads_make_no_difference(threads: int) -> None:
    rng = np.random.default_rng(3)
    features = np.unique(rng.integers(0, 6, (60, 3)), axis=0)
    events = rng.integers(0, len(features), 900)
    small = Vocabulary.train(features, [0, 400], events[:400], size=60, cardinalities=[6] * 3)
    offsets = np.arange(0, 901, 9)
    large = small.expand(features, offsets, events, size=400, threads=threads)
    assert large._core.to_json() == small.expand(features, offsets, events, size=400)._core.to_json()


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (
            [2, 0],
            r"features\[2, 0\]: value 2 of category 0 .* cardinality 2 there: values below 2 have tokens",
        ),
        ([0, 9], r"features\[2, 1\]: value 9 of category 1 .* cardinality 3 there: .* need a new vocabulary"),
    ],
)
def test_codes_beyond_the_cardinalities_are_named(item: list[int], message: str) -> None:
    small = Vocabulary.train(*OLD, size=8, cardinalities=[2, 3])
    with pytest.raises(InputError, match=message):
        small.expand([[0, 0], [1, 0], item], [0, 2], [0, 2], size=20)


def test_codes_that_no_training_saw_need_cardinalities() -> None:
    with pytest.raises(InputError, match=r"features\[0, 1\]: value 1 .* give the training cardinalities"):
        Vocabulary.train(*OLD, size=8).expand([[0, 1]], [0, 1], [0], size=20)


def test_other_categories_and_sizes_are_refused() -> None:
    small = Vocabulary.train(*OLD, size=8)
    with pytest.raises(InputError, match="features: 3 categories, but the vocabulary has 2"):
        small.expand([[0, 0, 0]], [0, 1], [0], size=20)
    with pytest.raises(InputError, match=f"size: 5 is below the {len(small)} tokens"):
        small.expand(*OLD, size=5)
    with pytest.raises(InputError, match="progress: must be callable"):
        small.expand(*OLD, size=20, progress=True)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"events\[0\]: item 2 is not a row"):
        small.expand([[0, 0], [1, 0]], [0, 1], [2], size=20)


def test_a_file_without_exact_counts_is_refused(tmp_path: Path) -> None:
    content = file_of(Vocabulary.train(*OLD, size=8))
    del content["clairo"]
    (tmp_path / "released.json").write_text(json.dumps(content))
    released = Vocabulary.load(tmp_path / "released.json")
    assert released.joined is None
    with pytest.raises(InputError, match=r"holds priorities only, as released files do"):
        released.expand(*OLD, size=20)


def test_the_released_file_is_refused(shared: Path) -> None:
    released = Vocabulary.load(shared / "golden" / "upstream_instruments_text_40000.json")
    features = [[0] * released.n_categories]
    with pytest.raises(InputError, match="without the exact counts it cannot grow"):
        released.expand(features, [0, 1], [0], size=50_000)

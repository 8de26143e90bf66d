"""A vocabulary made ready for a table of items, and used again and again."""

import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from clairo import InputError, Vocabulary

Corpus = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    rng = np.random.default_rng(5)
    features = np.unique(rng.integers(0, 12, (300, 5)), axis=0)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 20, 900))])
    return features, offsets, rng.zipf(1.4, offsets[-1]) % len(features)


@pytest.fixture(scope="module")
def vocabulary(corpus: Corpus) -> Vocabulary:
    return Vocabulary.train(*corpus, size=700)


def same(one: tuple[npt.NDArray[Any], ...], other: tuple[npt.NDArray[Any], ...]) -> bool:
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_it_encodes_as_the_vocabulary_does(corpus: Corpus, vocabulary: Vocabulary) -> None:
    features, offsets, events = corpus
    encoder = vocabulary.encoder(features)
    rows = np.arange(len(offsets) - 1)[::-1] * 7
    assert len(encoder) == len(features)
    for seed in (0, 8):
        right = vocabulary.encode(*corpus, seed=seed, rows=rows)
        assert same(encoder.encode(offsets, events, seed=seed, rows=rows), right)
    assert same(encoder.encode_deterministic(offsets, events), vocabulary.encode_deterministic(*corpus))
    assert same(encoder.canonical(), vocabulary.canonical(features))


def test_initial_tokens_are_those_of_the_features(corpus: Corpus, vocabulary: Vocabulary) -> None:
    features = corpus[0]
    number = {feature: token for token, feature in enumerate(vocabulary.initial_tokens, 1)}
    initial = vocabulary.encoder(features).initial
    assert initial.dtype == np.uint32
    wanted = [[number[feature] for feature in enumerate(row)] for row in features.tolist()]
    assert initial.tolist() == wanted
    with pytest.raises(ValueError, match="read-only"):
        initial[0, 0] = 1
    assert vocabulary.encoder(features[:0]).initial.shape == (0, features.shape[1])


def test_batches_come_together_to_the_whole(corpus: Corpus, vocabulary: Vocabulary) -> None:
    features, offsets, events = corpus
    encoder = vocabulary.encoder(features)
    tokens, ends = encoder.encode(offsets, events, seed=3)
    for first, last in pairwise([0, 1, 65, 500, len(offsets) - 1]):
        own = events[offsets[first] : offsets[last]]
        starts = offsets[first : last + 1] - offsets[first]
        batch, _ = encoder.encode(starts, own, seed=3, rows=range(first, last), threads=1)
        assert np.array_equal(batch, tokens[ends[first] : ends[last]])


def test_it_keeps_its_own_copy_of_the_table(corpus: Corpus, vocabulary: Vocabulary) -> None:
    features, offsets, events = corpus
    table = features.copy()
    encoder = vocabulary.encoder(table)
    table[:] = 0
    assert same(encoder.encode(offsets, events), vocabulary.encode(*corpus))


def test_it_outlives_the_vocabulary(corpus: Corpus) -> None:
    features, offsets, events = corpus
    right = Vocabulary.train(*corpus, size=400).encode(*corpus)
    assert same(Vocabulary.train(*corpus, size=400).encoder(features).encode(offsets, events), right)


@pytest.mark.parametrize(
    ("message", "wrong"),
    [
        (r"features\[1\]: the same features as item 0", {"features": [[0, 0], [0, 0]]}),
        (r"features\[0, 1\]: value 5 of category 1 is not in the vocabulary", {"features": [[0, 5]]}),
        (r"offsets\[1\]: must be the number of events, 2, is 1", {"offsets": [0, 1]}),
        (r"events\[1\]: item 2 is not a row of features \(0\.\.2\)", {"events": [0, 2]}),
        (r"events\[0\]: 0\.5 is not a whole number", {"events": [0.5, 1.5]}),
        (r"rows: 2 given for 1 histories", {"rows": [0, 1]}),
        (r"threads: must be a whole number", {"threads": 0}),
        (r"seed: must be a whole number", {"seed": -1}),
    ],
)
def test_errors_name_the_argument_and_the_place(message: str, wrong: dict[str, Any]) -> None:
    vocabulary = Vocabulary.train([[0, 0], [1, 0]], [0, 2], [0, 1], size=9)
    good: dict[str, Any] = {"features": [[0, 0], [1, 0]], "offsets": [0, 2], "events": [0, 1]}
    arguments = {**good, **wrong}
    with pytest.raises(InputError, match=message):
        vocabulary.encoder(arguments.pop("features")).encode(**arguments)


@pytest.fixture(scope="module")
def long_work(corpus: Corpus, vocabulary: Vocabulary) -> Callable[[], object]:
    """Seconds of encoding."""
    features, _, events = corpus
    encoder = vocabulary.encoder(features)
    many = np.resize(events, 6_000_000)
    offsets = np.arange(0, len(many) + 1, 8)
    return lambda: encoder.encode_deterministic(offsets, many, threads=1)


def test_a_signal_stops_the_encoding_within_a_second(
    long_work: Callable[[], object], alarm: type[Exception]
) -> None:
    start = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    with pytest.raises(alarm):
        long_work()
    assert time.monotonic() - start < 1.2


def test_other_threads_work_meanwhile(
    long_work: Callable[[], object],
    alarm: type[Exception],
    ticking: Callable[[], AbstractContextManager[list[int]]],
) -> None:
    signal.setitimer(signal.ITIMER_REAL, 0.4)
    with ticking() as ticks, pytest.raises(alarm):
        long_work()
    assert ticks[0] > 10

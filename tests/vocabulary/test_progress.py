"""Training says how far it is, lets others work meanwhile, and stops when told."""

import signal
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np
import numpy.typing as npt
import pytest

from clairo import Vocabulary

Corpus = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Some seconds of work for one core."""
    rng = np.random.default_rng(0)
    features = np.unique(rng.integers(0, 60, (3000, 6)), axis=0)
    offsets = np.arange(0, 1_600_001, 8)
    return features, offsets, rng.zipf(1.3, offsets[-1]) % len(features)


def test_progress_rises_to_the_merges_made(corpus: Corpus) -> None:
    features, offsets, events = corpus
    calls: list[tuple[int, int]] = []
    vocabulary = Vocabulary.train(
        features, offsets[:201], events[:1600], size=4000, progress=lambda *call: calls.append(call)
    )
    wanted = 4000 - vocabulary.n_initial
    assert calls[-1] == (len(vocabulary.merges), wanted)
    assert {total for _, total in calls} == {wanted}
    done = [made for made, _ in calls]
    assert done == sorted(done)


def test_an_error_in_progress_stops_the_training(corpus: Corpus) -> None:
    def progress(_done: int, _total: int) -> None:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        Vocabulary.train(*corpus, size=40_000, progress=progress)


@pytest.mark.parametrize("after", [0.02, 0.6], ids=["first count", "merging"])
def test_a_signal_stops_the_training_within_a_second(
    corpus: Corpus, alarm: type[Exception], after: float
) -> None:
    start = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, after)
    with pytest.raises(alarm):
        Vocabulary.train(*corpus, size=60_000)
    assert time.monotonic() - start < after + 1


def test_an_interrupt_is_a_keyboard_interrupt(corpus: Corpus) -> None:
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.2, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        Vocabulary.train(*corpus, size=60_000)
    timer.join()


def test_other_threads_work_meanwhile(
    corpus: Corpus, ticking: Callable[[], AbstractContextManager[list[int]]]
) -> None:
    with ticking() as ticks:
        Vocabulary.train(*corpus, size=2000)
    assert ticks[0] > 10


@pytest.fixture(scope="module")
def small(corpus: Corpus) -> Vocabulary:
    features, offsets, events = corpus
    return Vocabulary.train(features, offsets[:201], events[:1600], size=2000)


def test_progress_of_an_expansion_counts_the_old_merges_too(corpus: Corpus, small: Vocabulary) -> None:
    features, offsets, events = corpus
    calls: list[tuple[int, int]] = []
    vocabulary = small.expand(
        features, offsets[:2001], events[:16_000], size=2300, progress=lambda *call: calls.append(call)
    )
    assert calls[-1] == (len(vocabulary.merges), 2300 - vocabulary.n_initial)
    done = [made for made, _ in calls]
    assert done == sorted(done)


def test_a_signal_stops_an_expansion_within_a_second(
    corpus: Corpus, small: Vocabulary, alarm: type[Exception]
) -> None:
    for after in (0.02, 0.4):
        start = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, after)
        with pytest.raises(alarm):
            small.expand(*corpus, size=60_000)
        assert time.monotonic() - start < after + 1

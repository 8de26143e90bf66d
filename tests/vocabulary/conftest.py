"""Fixtures of the tests that interrupt the core at work, or look on."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType

import pytest


class EnoughError(Exception):
    """Raised by a caller that has seen enough."""


@pytest.fixture
def alarm() -> Iterator[type[EnoughError]]:
    """What the alarm signal raises for as long as the test runs."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise EnoughError

    before = signal.signal(signal.SIGALRM, ring)
    yield EnoughError
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def ticking() -> Callable[[], AbstractContextManager[list[int]]]:
    """Another thread that counts, in the list's one number, for as long as the context lasts."""

    @contextmanager
    def counting() -> Iterator[list[int]]:
        done, ticks = threading.Event(), [0]

        def count() -> None:
            while not done.wait(0.005):
                ticks[0] += 1

        other = threading.Thread(target=count)
        other.start()
        try:
            yield ticks
        finally:
            done.set()
            other.join()

    return counting

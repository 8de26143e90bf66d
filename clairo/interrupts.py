"""Ctrl-C, heard for certain.

Python raises KeyboardInterrupt wherever it happens to be; in the callback of a collected object or inside a
library's catch-all the exception is lost, and the command would run on. So the wish to stop is also noted,
and every step looks at the note as it advances (see `clairo.log`).
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Interrupted(KeyboardInterrupt):
    """Ctrl-C was pressed.

    A class of its own, because Python ends a process by the signal instead of its exit code if a plain
    KeyboardInterrupt ever passed through code that was compiled from a string (a dataclass being made).
    """


_asked = False
_deferred = False


@contextmanager
def heard() -> Iterator[None]:
    """Note Ctrl-C while the block runs, and raise `Interrupted` on the spot.

    Only the main thread hears signals; in another one this changes nothing. Where Ctrl-C is ignored, as in
    what a script runs in the background, it stays so.
    """
    aside = threading.current_thread() is not threading.main_thread()
    if aside or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield
        return
    global _asked  # noqa: PLW0603 - a signal has no other place to leave word
    _asked = False
    before = signal.signal(signal.SIGINT, _hear)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        _asked = False


@contextmanager
def deferred() -> Iterator[None]:
    """Raise what is pressed while the block runs after it; for what must not be cut short."""
    global _deferred  # noqa: PLW0603
    before, _deferred = _deferred, True
    try:
        yield
    finally:
        _deferred = before
    check()


def check() -> None:
    """Raise `Interrupted` if Ctrl-C was pressed and the command still runs."""
    if _asked:
        raise Interrupted


def _hear(_signal: int, _frame: FrameType | None) -> None:
    global _asked  # noqa: PLW0603
    _asked = True
    if not _deferred:
        raise Interrupted

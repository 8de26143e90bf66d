"""Words to the person who waits: log lines and progress go to standard error, data to standard output.

A step shows as a bar on a terminal (`rich`), as a line now and then elsewhere (`plain`), as JSON lines on
request (`json`), or not at all (`silent`, the default of the library).
"""

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from clairo import interrupts

logger = logging.getLogger("clairo")
Kind = Literal["auto", "rich", "plain", "json", "silent"]
_SECONDS_BETWEEN_LINES = 5.0


class _View(Protocol):
    def show(self, n: int, info: dict[str, Any]) -> None: ...


class Step:
    """A step under way."""

    def __init__(self, view: _View | None) -> None:
        self._view = view

    def advance(self, n: int = 1, **info: Any) -> None:
        """`n` more units are done; `info` (a loss, a rate) is shown beside them.

        Raises:
            Interrupted: Ctrl-C was pressed and went unheard (see `clairo.interrupts`).
        """
        interrupts.check()
        if self._view is not None:
            self._view.show(n, info)


class _Lines:
    """A line of text or JSON every few seconds, and one at the end."""

    def __init__(self, name: str, total: int | None, as_json: bool) -> None:
        self._name, self._total, self._json = name, total, as_json
        self._done, self._info = 0, dict[str, Any]()
        self._start = self._last = time.monotonic()

    def show(self, n: int, info: dict[str, Any]) -> None:
        self._done += n
        self._info.update(info)
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            self.print("running")

    def print(self, state: str) -> None:
        seconds = time.monotonic() - self._start
        if self._json:
            entry = {"step": self._name, "state": state, "done": self._done, "total": self._total}
            line = json.dumps({**entry, "seconds": round(seconds, 3), **self._info})
        else:
            of = "" if self._total is None else f"/{self._total}"
            extra = "".join(f" {key}={_short(value)}" for key, value in self._info.items())
            line = f"{self._name}: {self._done}{of} in {seconds:.0f} s{extra}"
        print(line, file=sys.stderr, flush=True)


class _Bar:
    """A bar of rich."""

    def __init__(self, progress: Any, name: str, total: int | None) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=total, info="")

    def show(self, n: int, info: dict[str, Any]) -> None:
        text = " ".join(f"{key}={_short(value)}" for key, value in info.items())
        self._progress.update(self._task, advance=n, **({"info": text} if text else {}))


_kind: Kind = "silent"


def setup(kind: Kind, *, verbose: bool = False) -> None:
    """Choose how progress shows, and send log lines to standard error (called once, by the command)."""
    global _kind  # noqa: PLW0603 - one command, one terminal
    _kind = ("rich" if sys.stderr.isatty() else "plain") if kind == "auto" else kind
    handler = logging.StreamHandler(sys.stderr)
    as_json = _kind == "json"
    handler.setFormatter(_JsonLines() if as_json else logging.Formatter("%(message)s"))
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"level": record.levelname.lower(), "message": record.getMessage()})


@contextmanager
def step(name: str, total: int | None = None) -> Iterator[Step]:
    """Show the step called `name`, of `total` units if that is known, while the block runs."""
    interrupts.check()
    if _kind == "silent":
        yield Step(None)
    elif _kind == "rich":
        yield from _rich_step(name, total)
    else:
        lines = _Lines(name, total, _kind == "json")
        yield Step(lines)
        lines.print("done")


def _rich_step(name: str, total: int | None) -> Iterator[Step]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[info]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield Step(_Bar(progress, name, total))


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

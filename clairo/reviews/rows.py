"""Lines into rows: what cannot be parsed, or lacks what a row must have, is named by its line or skipped."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from clairo import log
from clairo.errors import InputError
from clairo.reviews.lines import Chunk, Lines

BROKEN = "broken_lines"
_SKIP_HINT = 'repair the line, or set reviews.on_broken_line = "skip"'


@dataclass(frozen=True)
class Format:
    """How the lines of a file become rows.

    Attributes:
        parse: lines to a frame with a row for every line that is not blank; raises a PolarsError if any of
            them is broken.
        what: what a line should be, in words: "not a ..." is said of a broken one.
        needed: columns in which a row must hold something, and what is said of a row that does not.
    """

    parse: Callable[[bytes], pl.DataFrame]
    what: str
    needed: Mapping[str, str]


@dataclass
class Rows:
    """The good rows of a file, and a count of the others.

    Attributes:
        read: rows that the file has; blank and broken lines are none.
        skipped: lines left out: `broken_lines`, and `without_<column>` of what a row needed.
        damage: how the gzip stream ended before its time, None if it did not.
    """

    path: Path
    format: Format
    skip: bool
    read: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    damage: str | None = None

    def frames(self) -> Iterator[pl.DataFrame]:
        """Frames of good rows in the file's order, with a column `row`: the position in the file, from 0.

        Blank and broken lines have no position.

        Raises:
            InputError: a line is broken or a row lacks what it needs (unless these are skipped), the file
                cannot be read, or it has no rows.
        """
        lines = Lines(self.path, skip=self.skip)
        with log.step(f"read {self.path.name}") as step:
            for chunk in lines.chunks():
                frame = self._parse(chunk)
                yield self._good(frame, chunk)
                self.read += frame.height
                step.advance(frame.height)
        self.damage = lines.damage
        if not self.read:
            raise InputError(f"{self.path} holds no {self.format.what}")

    def counts(self) -> dict[str, Any]:
        """What was read and what was left out, for the report."""
        reasons = (BROKEN, *(f"without_{column}" for column in self.format.needed))
        return {
            "file": self.path.name,
            "rows": self.read,
            **{reason: self.skipped[reason] for reason in reasons},
            "damage": self.damage,
        }

    def _parse(self, chunk: Chunk) -> pl.DataFrame:
        try:
            return self.format.parse(chunk.text)
        except pl.exceptions.PolarsError:
            return self._parse_sifted(chunk)

    def _parse_sifted(self, chunk: Chunk) -> pl.DataFrame:
        """Parse a chunk that is known to hold broken lines."""
        lines = chunk.text.split(b"\n")
        for broken in self._broken(lines, 0):
            if not self.skip:
                where = f"{self.path}, line {chunk.line + broken}"
                raise InputError(
                    f"{where}: not a {self.format.what}: {_start(lines[broken])}", hint=_SKIP_HINT
                )
            lines[broken] = b""
            self.skipped[BROKEN] += 1
        return self.format.parse(b"\n".join(lines))

    def _broken(self, lines: list[bytes], first: int) -> Iterator[int]:
        """Positions of the lines that do not parse, found by halving with the parser itself as the judge."""
        try:
            self.format.parse(b"\n".join(lines))
        except pl.exceptions.PolarsError:
            if len(lines) == 1:
                yield first
                return
            half = len(lines) // 2
            yield from self._broken(lines[:half], first)
            yield from self._broken(lines[half:], first + half)

    def _good(self, frame: pl.DataFrame, chunk: Chunk) -> pl.DataFrame:
        """Number the rows, and leave out those that lack what they need."""
        rows = frame.with_columns(pl.int_range(self.read, self.read + pl.len(), dtype=pl.Int64).alias("row"))
        faults = [column for column in self.format.needed if frame[column].null_count()]
        if faults and not self.skip:
            row, column = min((frame[column].is_null().arg_true()[0], column) for column in faults)
            fault = self.format.needed[column]
            raise InputError(f"{self.path}, line {_line(chunk, row)}: {fault}", hint=_SKIP_HINT)
        for column in faults:
            left = rows.drop_nulls(column)
            self.skipped[f"without_{column}"] += rows.height - left.height
            rows = left
        return rows


def _line(chunk: Chunk, row: int) -> int:
    """Number of the line that holds the row at position `row` of a chunk without broken lines."""
    filled = (number for number, line in enumerate(chunk.text.split(b"\n"), chunk.line) if line.strip())
    return next(itertools.islice(filled, row, None))


def _start(line: bytes) -> str:
    text = line.strip().decode("utf-8", "replace")
    return repr(text if len(text) <= 60 else f"{text[:60]}...")

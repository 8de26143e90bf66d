"""Counting distinct values of a stream in eight bytes a value."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
_SEED = 0


class Distinct:
    """Counts the distinct rows that it was shown.

    Rows are told apart by 64-bit hashes: among ten million distinct rows, the chance that any two share one
    is below 1 in 300,000, and the count would be off by one. Only counts for the report are made this way.
    """

    def __init__(self) -> None:
        self._parts: list[Hashes] = []
        self.shown = 0

    def add(self, *columns: pl.Series) -> None:
        """Show the rows that `columns`, of equal length, make together."""
        hashes = np.zeros(len(columns[0]), dtype=np.uint64)
        for column in columns:
            hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + column.hash(_SEED).to_numpy()
        self.shown += len(hashes)
        self._parts.append(np.unique(hashes))

    def count(self) -> int:
        """How many of the rows shown so far are distinct."""
        hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *self._parts])
        hashes.sort()
        self._parts = [hashes]
        return min(len(hashes), 1 + int(np.count_nonzero(hashes[1:] != hashes[:-1])))

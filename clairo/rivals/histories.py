"""Rows of item indices of unequal length: histories to read, and items to hold back."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import Sequences
from clairo.artifacts.sequences import Split
from clairo.tokens import flat_rows


@dataclass(frozen=True)
class Histories:
    """Histories in time order, oldest event first.

    Attributes:
        offsets: (n + 1,) int64; history i is `events[offsets[i]:offsets[i + 1]]`.
        events: item indices, uint32.
    """

    offsets: NDArray[np.int64]
    events: NDArray[np.uint32]

    @classmethod
    def read(cls, sequences: Sequences, split: Split) -> Self:
        """What may be read of each user with a target: the latest `max_history` events before it."""
        return cls(*sequences.input_history(split))

    @classmethod
    def known(cls, sequences: Sequences, split: Split) -> Self:
        """Everything before each user's target, however long: the items that masked lists hold back."""
        return cls.read(replace(sequences, max_history=max(1, len(sequences.events))), split)

    @classmethod
    def of(cls, rows: list[list[int]]) -> Self:
        """Histories from lists of item indices."""
        offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return cls(offsets, np.array([item for row in rows for item in row], dtype=np.uint32))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> NDArray[np.uint32]:
        return self.events[self.offsets[row] : self.offsets[row + 1]]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Events of each history, (n,)."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> NDArray[np.int64]:
        """The history that each event is of, (n_events,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def steps_back(self) -> NDArray[np.int64]:
        """How many events of its history come after each event, (n_events,)."""
        return self.offsets[1:][self.owners] - 1 - np.arange(self.offsets[-1])

    def take(self, rows: NDArray[np.int64]) -> Self:
        """These histories, in this order; one may be taken more than once."""
        return type(self)(*flat_rows(self.offsets[rows], self.offsets[rows + 1], self.events))

    def latest(self, n: int) -> Self:
        """The same histories cut to their latest `n` events."""
        stop = self.offsets[1:]
        return type(self)(*flat_rows(np.maximum(self.offsets[:-1], stop - n), stop, self.events))

"""Targets drawn among the items that occur near those of a history, beside the item that really came next.

A target tells of one item; counts of pairs tell of all that were seen together, before and after. Where data
are few, a model that is also asked for those learns in fewer epochs what counting finds at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from clairo.artifacts import Neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clairo.artifacts import Sequences

_WINDOW = 5  # events apart that count as together
_BACKWARD = 0.5  # weight of a pair read backwards in time
_DECAY = 0.6  # weight of a history's event relative to the one after it


@dataclass(frozen=True)
class CoOccurrence:
    """Draws a share of the targets anew: an item j after a history in proportion to its item-to-item score.

    That is the sum over the history's events i of 0.6 ** (steps back of i) times what was seen of (i, j) in
    training, as the rival of `clairo.recommendations` has it with a window of 5.

    Attributes:
        neighbours: pairs of training histories.
        share: of the targets that are drawn.
    """

    neighbours: Neighbours
    share: float

    @classmethod
    def count(cls, sequences: Sequences, share: float) -> Self:
        """Count the pairs of the training histories."""
        return cls(Neighbours.count(sequences, window=_WINDOW, backward=_BACKWARD), share)

    def draw(
        self,
        offsets: NDArray[np.int64],
        events: NDArray[np.uint32],
        targets: NDArray[np.uint32],
        chances: NDArray[np.float64],
    ) -> NDArray[np.uint32]:
        """The targets, some of them drawn anew.

        Args:
            offsets: (n + 1,) of the histories.
            events: item rows, flat.
            targets: (n,) item rows.
            chances: (n, 2) uniform numbers from [0, 1): whether a target is drawn, and which item comes out.
                A target stays where nothing was seen near any item of the history.
        """
        table, n = self.neighbours, len(targets)
        lengths = np.diff(offsets)
        owner = np.repeat(np.arange(n), lengths)
        steps_back = offsets[1:][owner] - 1 - np.arange(len(events))
        start, count = table.starts[events], np.diff(table.starts)[events]
        entry = np.repeat(start - (np.cumsum(count) - count), count) + np.arange(count.sum())
        weight = np.repeat(_DECAY**steps_back, count) * table.weights[entry]
        ends = np.cumsum(np.bincount(owner, weights=count, minlength=n)).astype(np.int64)  # of each history
        below = np.concatenate(([0.0], np.cumsum(weight)))
        first = np.concatenate(([0], ends[:-1]))
        rows = np.flatnonzero((chances[:, 0] < self.share) & (ends > first))
        low, high = below[first[rows]], below[ends[rows]]
        place = np.searchsorted(below, low + chances[rows, 1] * (high - low), side="right") - 1
        drawn = targets.copy()
        drawn[rows] = table.items[entry[np.clip(place, first[rows], ends[rows] - 1)]]
        return drawn

"""Which items occur near which in training."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts.sequences import Sequences


@dataclass(frozen=True)
class Neighbours:
    """For each item the items seen near it, as sparse rows.

    Attributes:
        starts: (n_items + 1,) int64; row i is `starts[i]:starts[i + 1]` of the other two.
        items: the neighbour, int64.
        weights: how much was seen of the two, float64.
    """

    starts: NDArray[np.int64]
    items: NDArray[np.int64]
    weights: NDArray[np.float64]

    @classmethod
    def count(cls, sequences: Sequences, *, window: int, backward: float) -> Self:
        """Add 1/d from an item to one that follows it d events later, and `backward`/d the other way.

        Distances go up to `window`, inside the training part of one user's history.
        """
        n_items = sequences.n_items
        keys, weights = [], []
        for distance, first, second in _pairs(*sequences.training(), window):
            keys.append(first * n_items + second)
            weights.append(np.full(len(first), 1.0 / distance))
            if backward > 0:
                keys.append(second * n_items + first)
                weights.append(np.full(len(first), backward / distance))
        pairs, place = np.unique(np.concatenate(keys), return_inverse=True)
        total = np.bincount(place, weights=np.concatenate(weights), minlength=len(pairs)).astype(np.float64)
        starts = np.searchsorted(pairs, np.arange(n_items + 1) * n_items)
        return cls(starts, pairs % n_items, total)


def _pairs(
    offsets: NDArray[np.int64], events: NDArray[np.uint32], window: int
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """For each distance up to `window` the items that stand so far apart, earlier and later ones."""
    owners, items = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)), events.astype(np.int64)
    for distance in range(1, window + 1):
        together = owners[:-distance] == owners[distance:]
        yield distance, items[:-distance][together], items[distance:][together]

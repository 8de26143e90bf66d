"""Pairs of items that were bought near one another, by users of the training split alone."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import Sequences

_SCORES_AT_ONCE = 4_000_000  # 16 MB of float32


@dataclass(frozen=True)
class Pairs:
    """Two items of one training history, the earlier one first.

    Attributes:
        first: (n,) int64 item indices.
        second: (n,) int64 item indices.
        users: (n,) int64, whose history it is.
        distances: (n,) int64, events from the first to the second, from 1.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    users: NDArray[np.int64]
    distances: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)

    @classmethod
    def of(cls, sequences: Sequences, window: int) -> Self:
        """All pairs that stand at most `window` events apart in a training history."""
        offsets, items = sequences.training()
        events = items.astype(np.int64)
        users = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        parts = []
        for distance in range(1, min(window, len(events) - 1) + 1):
            together = users[:-distance] == users[distance:]
            first, second = events[:-distance][together], events[distance:][together]
            parts.append((first, second, users[:-distance][together], np.full(len(first), distance)))
        empty = np.zeros(0, dtype=np.int64)
        columns = zip(*parts, strict=True) if parts else [(empty,)] * 4
        return cls(*(np.concatenate(column) for column in columns))

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Self:
        """Some of the pairs."""
        return type(self)(self.first[rows], self.second[rows], self.users[rows], self.distances[rows])

    def among(self, other: Self, n_items: int) -> NDArray[np.bool_]:
        """Which pairs `other` has too, in this order or the reverse, (n,) bool."""
        theirs = np.concatenate([other.first * n_items + other.second, other.second * n_items + other.first])
        return np.isin(self.first * n_items + self.second, theirs)


def looks(vectors: NDArray[np.float32]) -> NDArray[np.int64]:
    """A number for each row of `vectors` (n, width), the same for rows that are equal, (n,) int64."""
    rows = np.ascontiguousarray(vectors) + np.float32(0)  # -0 becomes 0
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    return np.unique(keys, return_inverse=True)[1].ravel().astype(np.int64)


def ranks(
    vectors: NDArray[np.float32],
    pairs: Pairs,
    candidates: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Where the second item of each pair stands among the neighbours of the first, from 0, (n,) float64.

    Neighbours are ordered by the inner product. Equal ones share the mean of their places, so that items with
    one vector gain nothing by their order.

    Args:
        vectors: (n_items, width).
        pairs: whose first items search.
        candidates: (n_items,) bool, items that can be found; the first item itself never is.
    """
    found = np.empty(len(pairs))
    size = max(1, _SCORES_AT_ONCE // max(1, len(vectors)))
    for start in range(0, len(pairs), size):
        first, second = pairs.first[start : start + size], pairs.second[start : start + size]
        scores = vectors[first] @ vectors.T
        rows = np.arange(len(first))
        true = scores[rows, second][:, None]
        # The same two vectors give products that differ in the last bits, by where a row stands.
        slack = 1e-5 * np.abs(true)
        others = candidates & (np.arange(len(vectors)) != first[:, None])
        others[rows, second] = False
        better = (others & (scores > true + slack)).sum(axis=1)
        equal = (others & (np.abs(scores - true) <= slack)).sum(axis=1)
        found[start : start + size] = better + equal / 2
    return found

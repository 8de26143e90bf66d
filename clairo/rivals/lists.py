"""Ranked lists: the best items by score, and the same without items that are held back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from clairo.rivals.histories import Histories


@dataclass(frozen=True)
class Lists:
    """One list a row, best first.

    Attributes:
        items: (n, k) int64 item indices, -1 behind the end of a shorter list.
        scores: (n, k) float64, never rising along a row, -inf behind the end.
    """

    items: NDArray[np.int64]
    scores: NDArray[np.float64]

    @classmethod
    def empty(cls, n: int, k: int) -> Self:
        """`n` lists with room for `k` items and none yet."""
        return cls(np.full((n, k), -1, dtype=np.int64), np.full((n, k), -np.inf))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The rows of all parts; there must be one."""
        return cls(
            np.concatenate([part.items for part in parts]), np.concatenate([part.scores for part in parts])
        )


def top(scores: NDArray[np.float64], k: int) -> Lists:
    """The `k` best items of each row of `scores`, (n, n_items); ties go to the smaller item index.

    An item of score -inf is never listed. Lists are at most as long as the catalogue.
    """
    k = min(k, scores.shape[1])
    last = np.partition(scores, -k, axis=1)[:, -k, None]  # the k-th best score
    above, level = scores > last, scores == last
    room = k - above.sum(axis=1, keepdims=True)
    chosen = above | (level & (level.cumsum(axis=1) <= room))
    items = np.nonzero(chosen)[1].reshape(-1, k)
    values = np.take_along_axis(scores, items, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    items, values = np.take_along_axis(items, order, axis=1), np.take_along_axis(values, order, axis=1)
    return Lists(np.where(values > -np.inf, items, -1), values)


def hold_back(scores: NDArray[np.float64], histories: Histories) -> NDArray[np.float64]:
    """A copy of `scores`, (n, n_items), in which the items of history i have score -inf in row i."""
    held = scores.copy()
    held[histories.owners, histories.events] = -np.inf
    return held

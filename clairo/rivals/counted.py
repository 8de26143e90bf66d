"""Recommenders that count instead of learning: whoever proposes a model has to beat them.

All count training events alone and score the whole catalogue. Equal scores go to the smaller item index.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import Sequences
from clairo.rivals.histories import Histories
from clairo.rivals.lists import Lists, hold_back, top

_BATCH_SCORES = 4_000_000
"""Scores held at once: 32 MB."""


class Rival(Protocol):
    """Anything that scores the catalogue for histories."""

    def scores(self, histories: Histories) -> NDArray[np.float64]:
        """(n_histories, n_items) float64, higher is better."""
        ...


@dataclass(frozen=True)
class Popularity:
    """The most bought items for everybody.

    Attributes:
        share: (n_items,) float64, the item's share of all training events.
    """

    share: NDArray[np.float64]

    @classmethod
    def count(cls, sequences: Sequences) -> Self:
        """Count the training events of each item."""
        counts = np.bincount(sequences.training()[1], minlength=sequences.n_items)
        return cls(counts / max(1, int(counts.sum())))

    @property
    def order(self) -> NDArray[np.int64]:
        """All items, the most popular first, (n_items,)."""
        return np.argsort(-self.share, kind="stable")

    def scores(self, histories: Histories) -> NDArray[np.float64]:
        """The same scores for every history."""
        return np.tile(self.share, (len(histories), 1))


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
        for distance, first, second in _pairs(Histories(*sequences.training()), window):
            keys.append(first * n_items + second)
            weights.append(np.full(len(first), 1.0 / distance))
            if backward > 0:
                keys.append(second * n_items + first)
                weights.append(np.full(len(first), backward / distance))
        pairs, place = np.unique(np.concatenate(keys), return_inverse=True)
        total = np.bincount(place, weights=np.concatenate(weights), minlength=len(pairs)).astype(np.float64)
        starts = np.searchsorted(pairs, np.arange(n_items + 1) * n_items)
        return cls(starts, pairs % n_items, total)


@dataclass(frozen=True)
class ItemToItem:
    """Items seen near those of the history, the latest events of which count most.

    The score of item j is the sum over the history's events i of `decay ** (steps back of i)` times what was
    seen of (i, j), and `tie` of j. A history without any event gets the popularity alone.

    Attributes:
        neighbours: counts of pairs.
        decay: weight of an event relative to the one after it; 0 reads the last event only.
        tie: (n_items,) float64, added to every score: small, so that it orders what is equal without it.
        popularity: for empty histories.
    """

    neighbours: Neighbours
    decay: float
    tie: NDArray[np.float64]
    popularity: Popularity

    def scores(self, histories: Histories) -> NDArray[np.float64]:
        """(n_histories, n_items) float64."""
        table, n_items = self.neighbours, len(self.tie)
        weight = self.decay**histories.steps_back  # 0 ** 0 is 1
        start, stop = table.starts[histories.events], table.starts[histories.events + 1]
        count = stop - start
        entry = np.repeat(start - (np.cumsum(count) - count), count) + np.arange(count.sum())
        cell = np.repeat(histories.owners * n_items, count) + table.items[entry]
        seen = np.bincount(
            cell, weights=np.repeat(weight, count) * table.weights[entry], minlength=len(histories) * n_items
        )
        scores = seen.reshape(len(histories), n_items) + self.tie
        scores[histories.lengths == 0] = self.popularity.share
        return scores


def markov(sequences: Sequences, popularity: Popularity) -> ItemToItem:
    """What most often followed the last item; equal counts are ordered by popularity."""
    following = Neighbours.count(sequences, window=1, backward=0.0)
    return ItemToItem(following, decay=0.0, tie=popularity.share / 2, popularity=popularity)


def batches(rival: Rival, histories: Histories, n_items: int) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Rows of histories and their scores, a bounded amount of scores at a time."""
    for rows in slabs(np.arange(len(histories)), n_items):
        yield slice(int(rows[0]), int(rows[-1]) + 1), rival.scores(histories.take(rows))


def slabs(rows: NDArray[np.int64], n_items: int) -> Iterator[NDArray[np.int64]]:
    """`rows` in parts for which a table of scores of all items fits."""
    size = max(1, _BATCH_SCORES // max(1, n_items))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def recommend(
    rival: Rival, read: Histories, known: Histories, *, k: int, n_items: int
) -> tuple[Lists, Lists]:
    """Lists of the `k` best items after `read`, first of all items, then without those of `known`."""
    k = min(k, n_items)
    plain, masked = [Lists.empty(0, k)], [Lists.empty(0, k)]
    for rows, scores in batches(rival, read, n_items):
        plain.append(top(scores, k))
        masked.append(top(hold_back(scores, known.take(np.arange(rows.start, rows.stop))), k))
    return Lists.joined(plain), Lists.joined(masked)


def _pairs(histories: Histories, window: int) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """For each distance up to `window` the items that stand so far apart, earlier and later ones."""
    steps_back, events = histories.steps_back, histories.events.astype(np.int64)
    for distance in range(1, window + 1):
        start = np.flatnonzero(steps_back >= distance)
        yield distance, events[start], events[start + distance]

"""Partitions of users, for metrics over parts of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import sequences

# Lower edges of the bins, the same for every dataset so that reports can be laid side by side.
POPULARITY = (0, 1, 5, 10, 20, 50, 100, 500)
LENGTH = (0, 1, 5, 10, 20, 50)


@dataclass(frozen=True)
class Partition:
    """Parts that hold every user exactly once.

    Attributes:
        name: what the users are told apart by.
        labels: a label for each part.
        part: (n_users,) int64, each user's part.
    """

    name: str
    labels: tuple[str, ...]
    part: NDArray[np.int64]


def labels(edges: Sequence[int]) -> tuple[str, ...]:
    """`0`, `1-4`, ... and `500+` for lower edges that start at 0."""
    inner = [f"{low}-{high - 1}" if high - low > 1 else str(low) for low, high in pairwise(edges)]
    return (*inner, f"{edges[-1]}+")


def bins(values: NDArray[np.int64], edges: Sequence[int]) -> NDArray[np.int64]:
    """The bin of each value: the last lower edge that does not lie above it."""
    return np.searchsorted(np.asarray(edges), values, side="right").astype(np.int64) - 1


def popularity_labels() -> tuple[str, ...]:
    """Labels of the popularity bins; an item without a training event is cold."""
    return ("cold", *labels(POPULARITY)[1:])


def partitions(
    table: sequences.Sequences,
    split: sequences.Split,
    users: NDArray[np.int64],
    *,
    events: NDArray[np.int64],
    head: NDArray[np.bool_],
) -> list[Partition]:
    """All partitions of `users`, who have a target in `split`.

    Args:
        table: the sequences.
        split: whose targets.
        users: (n,) user indices.
        events: (n_items,) training events of every item.
        head: (n_items,) whether an item belongs to the head.
    """
    before = getattr(table, split)[users]
    position = table.offsets[users] + before
    target = table.events[position].astype(np.int64)
    popular = bins(events[target], POPULARITY)
    kind = np.where(events[target] == 0, 2, np.where(head[target], 0, 1))
    tie = np.where(table.times[position] < 0, 2, np.where(table.ties[users], 1, 0))
    return [
        Partition("target_popularity", popularity_labels(), popular),
        Partition("target_tail", ("head", "tail", "cold"), kind),
        Partition("history_length", labels(LENGTH), bins(before, LENGTH)),
        Partition("ties", ("no tie", "tie", "time unknown"), tie),
    ]

"""Item-to-item with the window and decay that are best on validation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clairo import log, metrics
from clairo.artifacts import Sequences
from clairo.recommendations.histories import Histories
from clairo.recommendations.rivals import ItemToItem, Neighbours, Popularity, Rival, batches

METRIC = "ndcg@10"


@dataclass(frozen=True)
class Cell:
    """One point of the grid and its validation NDCG@10 over all users that have a validation target."""

    window: int
    decay: float
    ndcg: float


def tune(
    sequences: Sequences,
    popularity: Popularity,
    *,
    windows: Sequence[int],
    decays: Sequence[float],
    backward: float,
    tie_weight: float,
) -> tuple[ItemToItem, Cell, list[Cell]]:
    """The item-to-item rival of the best cell, that cell, and the whole grid.

    Every cell is measured unmasked on all validation users, whatever users are sampled later. Equal cells go
    to the smaller window, then to the smaller decay.
    """
    histories, (_, targets) = Histories.read(sequences, "validation"), sequences.targets("validation")
    tie = tie_weight * popularity.share
    grid, best = list[Cell](), None
    with log.step("tune item2item", total=len(set(windows)) * len(set(decays))) as step:
        for window in sorted(set(windows)):
            neighbours = Neighbours.count(sequences, window=window, backward=backward)
            for decay in sorted(set(decays)):
                rival = ItemToItem(neighbours, decay, tie, popularity)
                ranks = target_ranks(rival, histories, targets, sequences.n_items)
                cell = Cell(window, decay, metrics.summary(ranks, (10,))[METRIC])
                grid.append(cell)
                if best is None or cell.ndcg > best[1].ndcg:
                    best = rival, cell
                step.advance(window=window, decay=decay, ndcg=cell.ndcg)
    if best is None:
        raise ValueError("the grid has no cell")
    return *best, grid


def target_ranks(
    rival: Rival, histories: Histories, targets: NDArray[np.uint32], n_items: int
) -> NDArray[np.int64]:
    """Rank of each target in the whole catalogue, from 0; equal scores go to the smaller item index."""
    ranks = np.empty(len(targets), dtype=np.int64)
    for rows, scores in batches(rival, histories, n_items):
        ranks[rows] = ranks_in(scores, targets[rows])
    return ranks


def ranks_in(scores: NDArray[np.float64], targets: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Rank of each target, from 0, by `scores`, (n, n_items); equal scores go to the smaller item index."""
    target = targets.astype(np.int64)[:, None]
    value = np.take_along_axis(scores, target, axis=1)
    before = (scores > value) | ((scores == value) & (np.arange(scores.shape[1]) < target))
    ranks: NDArray[np.int64] = before.sum(axis=1)
    return ranks

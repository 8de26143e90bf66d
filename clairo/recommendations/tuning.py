"""Item-to-item with the settings that are best on validation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo import log, metrics
from clairo.artifacts import Sequences
from clairo.rivals.counted import ItemToItem, Neighbours, Popularity, Rival, batches
from clairo.rivals.histories import Histories

METRIC = "ndcg@10"


@dataclass(frozen=True)
class Cell:
    """One point of a grid and its validation NDCG@10 over all users that have a validation target.

    Attributes:
        value: what the table of pairs was made with: a window, or a penalty.
        decay: see `ItemToItem`.
        ndcg: the metric.
    """

    value: float
    decay: float
    ndcg: float


@dataclass(frozen=True)
class Tuned:
    """What tuning came to.

    Attributes:
        rival: of the best cell.
        option: what `Cell.value` is.
        best: that cell.
        grid: all cells.
    """

    rival: ItemToItem
    option: str
    best: Cell
    grid: list[Cell]

    def summary(self) -> dict[str, Any]:
        """The choice and what it was made from, as `report.json` has it."""
        grid = [{self.option: cell.value, "decay": cell.decay, METRIC: cell.ndcg} for cell in self.grid]
        return {self.option: self.best.value, "decay": self.best.decay, "grid": grid}


def tune(
    name: str,
    sequences: Sequences,
    popularity: Popularity,
    table: Callable[[Any], Neighbours],
    *,
    option: str,
    values: Sequence[float],
    decays: Sequence[float],
    tie_weight: float,
) -> Tuned:
    """The item-to-item rival of the best cell of a grid.

    Every cell is measured unmasked on all validation users, whatever users are sampled later. Equal cells go
    to the smaller value, then to the smaller decay.

    Args:
        name: of the rival, for whoever waits.
        sequences: the run's.
        popularity: of its training events.
        table: the pairs of items by a value of `option`.
        option: what `values` are of.
        values: at least one.
        decays: at least one.
        tie_weight: what popularity shares are multiplied with to order what is equal without them.
    """
    histories, (_, targets) = Histories.read(sequences, "validation"), sequences.targets("validation")
    tie = tie_weight * popularity.share
    grid, best = list[Cell](), None
    with log.step(f"tune {name}", total=len(set(values)) * len(set(decays))) as step:
        for value in sorted(set(values)):
            neighbours = table(value)
            for decay in sorted(set(decays)):
                rival = ItemToItem(neighbours, decay, tie, popularity)
                ranks = target_ranks(rival, histories, targets, sequences.n_items)
                cell = Cell(value, decay, metrics.summary(ranks, (10,))[METRIC])
                grid.append(cell)
                if best is None or cell.ndcg > best[1].ndcg:
                    best = rival, cell
                step.advance(**{option: value, "decay": decay, "ndcg": cell.ndcg})  # type: ignore[arg-type]
    if best is None:
        raise ValueError("the grid has no cell")
    return Tuned(best[0], option, best[1], grid)


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

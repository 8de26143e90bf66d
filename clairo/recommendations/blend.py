"""The model's list and item-to-item's made one: what a run with `recommendations.blend` recommends by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from clairo.artifacts import npz
from clairo.errors import InputError
from clairo.recommendations.ensemble import NOTHING, Ranking
from clairo.rivals.counted import ItemToItem, Neighbours, Popularity, slabs
from clairo.rivals.lists import top

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from clairo.recommendations.assortment import Assortment
    from clairo.rivals.histories import Histories

FILE = "blend.npz"
_ARRAYS = ("weight", "decay", "tie_weight", "share", "starts", "items", "weights")


@dataclass(frozen=True)
class Blend:
    """Two lists as one, each with its weight.

    The score of item j after a history is

        (1 - weight) * a(j) + weight * b(j),   a(j) = 1 / log2(m + 2),   b(j) = 1 / log2(i + 2)

    rounded to 12 decimals, in (0, 1]. m is the rank of j, from 0, in everything that the model's views found
    as one list (`recommendations.ensemble`), and a(j) is 0 where they did not find j. i is the rank of j,
    from 0, in the whole catalogue by the run's tuned item-to-item rival, counted or fitted
    (`recommendations.blend_with`), which reads the latest `sequences.max_history` events. So both say the
    same of the same rank, in the way in which the views of the model vote, whatever their own scores mean.

    Equal scores go to the smaller item index. With weight 0 the order is the model's, and what it did not
    find follows by popularity; with weight 1 it is item-to-item's. A history without events has no list: it
    gets the most popular items. An allow or deny list holds before anything is ranked, by either; items of
    the history that are held back fall out of the finished list, and the others keep their scores.

    Attributes:
        weight: of item-to-item, from 0 to 1.
        item2item: of the training events; items that came later (`clairo add`) score 0 in it, so that only
            the model can bring them to the front.
        tie_weight: what the popularity shares were multiplied with in `item2item.tie`.
    """

    weight: float
    item2item: ItemToItem
    tie_weight: float

    def rank(
        self,
        found: Histories,
        histories: Histories,
        keep: int,
        assortment: Assortment | None = None,
    ) -> list[Ranking]:
        """The first `keep` items of each history's blended list, fewer where fewer score above 0.

        Args:
            found: items that the model found after each history, best first, held to the assortment.
            histories: what item-to-item reads.
            keep: items wanted.
            assortment: the items that each history may be recommended; left out, every item.

        Returns:
            One ranking a history. Its `views` are 0: they were counted where the search was made.
        """
        rankings = [NOTHING] * len(histories)
        for rows in slabs(np.flatnonzero(histories.lengths > 0), len(self.item2item.tie)):
            scores = self.item2item.scores(histories.take(rows))
            if assortment is not None:
                scores = np.where(assortment.mask(rows), scores, -np.inf)
            mixed = mix(*votes(found.take(rows), scores), self.weight)
            lists = top(np.where(mixed > 0, mixed, -np.inf), keep)
            for row, items, values in zip(rows.tolist(), lists.items, lists.scores, strict=True):
                there = items >= 0
                rankings[row] = Ranking(items[there], values[there], np.zeros(there.sum(), dtype=np.int64))
        return rankings

    def save(self, folder: Path) -> None:
        """Write `blend.npz` into `folder`."""
        table = self.item2item.neighbours
        numbers = {"weight": self.weight, "decay": self.item2item.decay, "tie_weight": self.tie_weight}
        npz.write(
            folder / FILE,
            {name: np.array(value, dtype=np.float64) for name, value in numbers.items()}
            | {
                "share": self.item2item.popularity.share,
                "starts": table.starts,
                "items": table.items.astype(np.uint32),
                "weights": table.weights,
            },
        )

    @classmethod
    def load(cls, folder: Path, n_items: int) -> Self:
        """Read `blend.npz` of `folder` for a catalogue of `n_items`, whose last items it need not know.

        Raises:
            InputError: the file is damaged, or of a larger catalogue.
        """
        path = folder / FILE
        arrays = npz.read(path, _ARRAYS)
        share, starts, items = arrays["share"], arrays["starts"], arrays["items"].astype(np.int64)
        new = n_items - len(share)
        fits = len(starts) == len(share) + 1 and len(items) == len(arrays["weights"]) == starts[-1]
        if new < 0 or not fits:
            raise InputError(
                f"{path} is not of this catalogue of {n_items} items",
                hint="run the recommendations stage again",
            )
        popularity = Popularity(np.pad(share, (0, new)))
        neighbours = Neighbours(np.pad(starts, (0, new), mode="edge"), items, arrays["weights"])
        tie_weight = float(arrays["tie_weight"])
        rival = ItemToItem(neighbours, float(arrays["decay"]), tie_weight * popularity.share, popularity)
        return cls(float(arrays["weight"]), rival, tie_weight)


def votes(found: Histories, scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What both lists say of every item, 1 / log2(rank + 2), rank from 0: two tables (n, n_items) float64.

    Args:
        found: items that the model found, best first; it says 0 of all others.
        scores: (n, n_items) of item-to-item; -inf is an item that may not come out, of which it says 0.
    """
    model, rival = np.zeros_like(scores), np.empty_like(scores)
    rank = np.arange(len(found.events)) - found.offsets[:-1][found.owners]
    model[found.owners, found.events] = 1 / np.log2(rank + 2.0)
    order = np.argsort(-scores, axis=1, kind="stable")
    np.put_along_axis(rival, order, 1 / np.log2(np.arange(scores.shape[1]) + 2.0)[None], axis=1)
    rival[scores == -np.inf] = 0
    return model, rival


def mix(model: NDArray[np.float64], rival: NDArray[np.float64], weight: float) -> NDArray[np.float64]:
    """Blended scores of every item, (n, n_items)."""
    # Rounded, so that sums which are equal tie, whatever doubles make of them.
    mixed: NDArray[np.float64] = ((1 - weight) * model + weight * rival).round(12)
    return mixed

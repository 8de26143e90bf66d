"""One list out of several: the views of a history make one, and popularity fills what they leave open."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Ranking:
    """All items that the search found for one history, best first.

    Attributes:
        items: (n,) int64, all different; nothing where the history was empty.
        scores: (n,) float64, never rising: sums of votes, above 0, or log-probabilities.
        views: (n,) int64, how many views found each item.
    """

    items: NDArray[np.int64]
    scores: NDArray[np.float64]
    views: NDArray[np.int64]


NOTHING = Ranking(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0, dtype=np.int64))
"""Of a history that the model cannot read anything in."""


def vote(items: NDArray[np.int64], scores: NDArray[np.float64]) -> Ranking:
    """Let every view give each item that it found 1 / log2(rank + 2), rank counted from 0, and add them up.

    This is the ensemble of ActionPiece (Hou et al., ICML 2025, section 3.4; its code, which counts ranks from
    1, writes 1 / log2(rank + 1)). Equal sums go to the better mean log-probability over the views that found
    the item, then to the smaller item index.

    Args:
        items: (views, beams), best first, -1 behind the end.
        scores: (views, beams) log-probabilities.
    """
    rank, view = np.nonzero(items.T >= 0)
    found, place = np.unique(items[view, rank], return_inverse=True)
    sums = np.bincount(place, weights=1.0 / np.log2(rank + 2.0), minlength=len(found)).astype(np.float64)
    votes = sums.round(12)  # twice 1 / log2(9) is 1 / log2(3), but not in doubles
    views = np.bincount(place, minlength=len(found))
    mean = np.bincount(place, weights=scores[view, rank], minlength=len(found)) / views
    order = np.lexsort((found, -mean, -votes))
    return Ranking(found[order], votes[order], views[order])


def average(items: NDArray[np.int64], scores: NDArray[np.float64]) -> Ranking:
    """Average each item's probability over all views: the model's own, were a view drawn at random.

    In a view that did not find an item its probability counts as 0. So a score is a lower bound of the log of
    the average, and equal to it where every view found the item; after an exact search all views find all.
    Equal scores go to the smaller item index.

    Args:
        items: (views, beams), best first, -1 behind the end.
        scores: (views, beams) log-probabilities.
    """
    view, rank = np.nonzero(items >= 0)
    found, place = np.unique(items[view, rank], return_inverse=True)
    total = np.full(len(found), -np.inf)
    np.logaddexp.at(total, place, scores[view, rank])
    mean = total - np.log(len(items))
    order = np.lexsort((found, -mean))
    return Ranking(found[order], mean[order], np.bincount(place, minlength=len(found))[order])


def complete(
    ranking: Ranking,
    popular: NDArray[np.int64],
    k: int,
    held: NDArray[np.integer],
    allowed: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """The first `k` items of a ranking without those held back, filled up by the most popular of the rest.

    Items held back only fall out: the others keep order and scores. The items that fill the list are not yet
    in it and stand in the order of popularity. They score 1, 2, ... below 0, or below the least score of the
    ranking where that is below 0: so -1, -2, ... behind votes, and below every log-probability.

    Args:
        ranking: what the views found; already held to what is allowed.
        popular: (n_items,) all items, the most popular first.
        k: items wanted; fewer come out only where the catalogue has no more that are allowed and not held
            back.
        held: items held back.
        allowed: (n_items,) the items that may fill the list; left out, all may.

    Returns:
        Items int64, scores float64, both (at most k,), and how many of them fill the list.
    """
    kept = ~np.isin(ranking.items, held)
    items, scores = ranking.items[kept][:k], ranking.scores[kept][:k]
    if len(items) == k:
        return items, scores, 0
    may = popular if allowed is None else popular[allowed[popular]]
    candidates = may[: k + len(held)]  # enough: at most len(items) + len(held) of them are taken
    fill = candidates[~np.isin(candidates, items) & ~np.isin(candidates, held)][: k - len(items)]
    floor = min(0.0, ranking.scores.min(initial=0.0))
    return (
        np.concatenate((items, fill)),
        np.concatenate((scores, floor - 1.0 - np.arange(len(fill)))),
        len(fill),
    )

"""How recommendations spread over the catalogue: coverage, concentration, long tail."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

CUTOFF = 10
_CURVE_POINTS = 80


def spread(top: NDArray[np.int64], *, tail: NDArray[np.bool_], new: NDArray[np.bool_]) -> dict[str, float]:
    """Catalogue metrics of the first `CUTOFF` items of every list.

    Args:
        top: (n_users, at most CUTOFF) item indices, -1 where a list is shorter.
        tail: (n_items,) items outside the head.
        new: (n_items,) items without a training event; they belong to the tail too.
    """
    shown = slots(top, len(tail))
    total = max(int(shown.sum()), 1)
    return {
        f"coverage@{CUTOFF}": float((shown > 0).mean()) if len(shown) else 0.0,
        f"gini@{CUTOFF}": gini(shown),
        f"tail_share@{CUTOFF}": float(shown[tail].sum() / total),
        f"new_share@{CUTOFF}": float(shown[new].sum() / total),
    }


def slots(top: NDArray[np.int64], n_items: int) -> NDArray[np.int64]:
    """How often each item of the catalogue stands in `top`, (n_items,)."""
    first = top[:, :CUTOFF]
    return np.bincount(first[first >= 0], minlength=n_items)


def gini(counts: NDArray[np.int64]) -> float:
    """Gini coefficient of counts: 0 where all are equal, towards 1 where one item has everything."""
    total, n = int(counts.sum()), len(counts)
    if total == 0:
        return 0.0
    ordered = np.sort(counts).astype(np.float64)
    return float(2.0 * (ordered @ np.arange(1, n + 1)) / (n * total) - (n + 1) / n)


def head(events: NDArray[np.int64], tail_share: float) -> NDArray[np.bool_]:
    """The fewest most popular items that together hold `1 - tail_share` of training events, (n_items,) bool.

    Items with equal counts enter in the order of their index; an item without an event never does.
    """
    order = np.lexsort((np.arange(len(events)), -events))
    before = np.cumsum(events[order]) - events[order]
    chosen = np.zeros(len(events), dtype=np.bool_)
    chosen[order] = (before < (1 - tail_share) * events.sum()) & (events[order] > 0)
    return chosen


def curve(events: NDArray[np.int64]) -> dict[str, list[Any]]:
    """The long tail as a few points: training events by popularity rank, and the share of events up to it."""
    ordered = np.sort(events)[::-1]
    ordered = ordered[ordered > 0]
    if not len(ordered):
        return {"rank": [], "events": [], "share": []}
    ranks = np.unique(np.geomspace(1, len(ordered), _CURVE_POINTS).round().astype(np.int64))
    share = np.cumsum(ordered)[ranks - 1] / ordered.sum()
    return {"rank": ranks.tolist(), "events": ordered[ranks - 1].tolist(), "share": share.tolist()}

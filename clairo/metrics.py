"""Recall and NDCG with one relevant item a user, from the rank of that item in the user's list."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

CUTOFFS = (5, 10, 20, 50)


def rank_of(lists: ArrayLike, targets: ArrayLike) -> NDArray[np.int64]:
    """Position of each target in its list, from 0; -1 where the list does not hold it.

    Args:
        lists: (n, k) items, best first; a shorter list ends in what is no target, such as -1.
        targets: (n,) one item a list.

    Returns:
        (n,) int64 ranks.

    Raises:
        ValueError: `lists` is no table with as many rows as there are targets.
    """
    items, wanted = np.asarray(lists), np.asarray(targets)
    if not len(wanted) and not len(items):
        return np.empty(0, dtype=np.int64)
    if items.ndim != 2 or wanted.shape != items.shape[:1]:
        raise ValueError(f"lists of shape {items.shape} do not fit targets of shape {wanted.shape}")
    if not items.shape[1]:
        return np.full(len(wanted), -1, dtype=np.int64)
    hits = items == wanted[:, None]
    return np.where(hits.any(axis=1), hits.argmax(axis=1), -1)


def recall(ranks: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """1 where the target stands among the first `k`, else 0 (also called hit rate)."""
    return ((ranks >= 0) & (ranks < k)).astype(np.float64)


def ndcg(ranks: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """1 / log2(rank + 2) where the target stands among the first `k`, else 0: the ideal DCG is 1."""
    return np.where((ranks >= 0) & (ranks < k), 1.0 / np.log2(np.maximum(ranks, 0) + 2.0), 0.0)


def summary(ranks: NDArray[np.int64], ks: Sequence[int] = CUTOFFS) -> dict[str, float]:
    """Means over users, keyed `recall@k` and `ndcg@k`."""
    values = {}
    for name, metric in (("recall", recall), ("ndcg", ndcg)):
        values.update({f"{name}@{k}": float(metric(ranks, k).mean()) if len(ranks) else 0.0 for k in ks})
    return values

"""Recall and NDCG with one relevant item a user, from the rank of that item in the user's list."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

CUTOFFS = (5, 10, 20, 50)


def rank_of(lists: Sequence[Sequence[Any]], targets: Sequence[Any]) -> NDArray[np.int64]:
    """Position of each target in its list, from 0; -1 where the list does not hold it."""
    ranks = np.full(len(targets), -1, dtype=np.int64)
    for row, (items, target) in enumerate(zip(lists, targets, strict=True)):
        for position, item in enumerate(items):
            if item == target:
                ranks[row] = position
                break
    return ranks


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

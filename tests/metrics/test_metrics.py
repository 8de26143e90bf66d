"""Recall and NDCG against a slow walk over the lists, against torchmetrics and against scikit-learn."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import ndcg_score
from torchmetrics.retrieval import RetrievalNormalizedDCG, RetrievalRecall

from clairo import metrics

LENGTH = 50
KS = (1, 5, 10, 20, 50)
ranks_of_users = st.lists(st.integers(-1, LENGTH - 1), min_size=1, max_size=40)


def slow(items: list[int], target: int, k: int) -> tuple[float, float]:
    """Recall and NDCG of one list as the textbook writes them: gains, over those of the best list."""
    first = items[:k]
    recall = sum(item == target for item in first) / 1
    dcg = sum((item == target) / math.log2(place + 1) for place, item in enumerate(first, 1))
    return recall, dcg / (1 / math.log2(1 + 1))


@settings(deadline=None)
@given(
    st.lists(st.permutations(range(12)), min_size=1, max_size=6),
    st.lists(st.integers(0, 14), min_size=6, max_size=6),
    st.integers(1, 12),
)
def test_metrics_are_those_of_the_slow_walk(lists: list[list[int]], targets: list[int], k: int) -> None:
    """Lists of several lengths, one of them empty; targets from 12 on are in no list."""
    cut = [row[: (5 * place) % 13] for place, row in enumerate(lists)]
    padded = np.array([row + [-1] * (12 - len(row)) for row in cut])
    wanted = targets[: len(cut)]
    ranks = metrics.rank_of(padded, wanted)
    assert ranks.tolist() == [
        row.index(item) if item in row else -1 for row, item in zip(cut, wanted, strict=True)
    ]
    expected = [slow(row, item, k) for row, item in zip(cut, wanted, strict=True)]
    np.testing.assert_allclose(metrics.recall(ranks, k), [recall for recall, _ in expected], rtol=0, atol=0)
    np.testing.assert_allclose(metrics.ndcg(ranks, k), [ndcg for _, ndcg in expected], rtol=1e-15)
    assert metrics.summary(ranks, (k,)) == pytest.approx(
        {f"recall@{k}": np.mean([r for r, _ in expected]), f"ndcg@{k}": np.mean([n for _, n in expected])}
    )


def scored(ranks: list[int]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Falling scores of the places of each user's list, and which place is relevant, (n_users, LENGTH + 1).

    The last place stands behind the list: it holds the target of a user whose list misses it.
    """
    relevant = np.zeros((len(ranks), LENGTH + 1), dtype=np.int64)
    relevant[np.arange(len(ranks)), ranks] = 1  # rank -1 is the last place
    return np.tile(np.linspace(1.0, 0.0, LENGTH + 1), (len(ranks), 1)), relevant


@pytest.mark.parametrize("k", KS)
@settings(deadline=None, max_examples=20)
@given(ranks_of_users)
def test_metrics_are_those_of_torchmetrics(k: int, ranks: list[int]) -> None:
    scores, relevant = scored(ranks)
    users = torch.arange(len(ranks)).repeat_interleave(LENGTH + 1)
    flat = torch.from_numpy(scores).flatten(), torch.from_numpy(relevant).flatten()
    found = metrics.summary(np.array(ranks), (k,))
    recall, ndcg = RetrievalRecall(top_k=k), RetrievalNormalizedDCG(top_k=k)
    assert found[f"recall@{k}"] == pytest.approx(float(recall(*flat, indexes=users)), abs=1e-6)
    assert found[f"ndcg@{k}"] == pytest.approx(float(ndcg(*flat, indexes=users)), abs=1e-6)


@pytest.mark.parametrize("k", KS)
def test_ndcg_is_that_of_scikit_learn(k: int) -> None:
    ranks = np.random.default_rng(1).integers(-1, LENGTH, 200)
    scores, relevant = scored(ranks.tolist())
    assert metrics.summary(ranks, (k,))[f"ndcg@{k}"] == pytest.approx(ndcg_score(relevant, scores, k=k))


def test_nobody_has_no_metrics() -> None:
    assert metrics.summary(np.empty(0, dtype=np.int64), (5,)) == {"recall@5": 0.0, "ndcg@5": 0.0}
    assert metrics.rank_of([], []).tolist() == []
    assert metrics.rank_of(np.empty((2, 0), dtype=np.int64), [0, 1]).tolist() == [-1, -1]


@pytest.mark.parametrize(("lists", "targets"), [([1, 2], [1]), ([[1, 2]], [1, 2]), ([[1], [2]], [[1], [2]])])
def test_lists_that_do_not_fit_their_targets_are_refused(lists: list[int], targets: list[int]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        metrics.rank_of(lists, targets)

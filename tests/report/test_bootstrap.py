"""Intervals against resampling users and against the truth."""

import numpy as np
import pytest
from numpy.typing import NDArray

from clairo import metrics
from clairo.report.bootstrap import measure, resampled_means

KS = (5, 10, 20, 50)


def _skewed(n: int, skill: float, seed: int) -> NDArray[np.int64]:
    """Ranks of `n` users: a share `skill` has its target in the list, mostly near the top."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < skill, np.minimum(rng.geometric(0.15, n) - 1, 49), -1)


def test_resampling_rows_of_ranks_is_resampling_users() -> None:
    ranks = np.stack([_skewed(40, 0.5, 1), _skewed(40, 0.4, 2)], axis=1)
    fast = resampled_means(ranks, (10,), 4000, np.random.default_rng(3))
    rng = np.random.default_rng(4)
    slow = np.empty((4000, 2, 2))
    for row in range(4000):
        users = rng.integers(0, 40, 40)
        slow[row, :, 0] = metrics.recall(ranks[users], 10).mean(axis=0)
        slow[row, :, 1] = metrics.ndcg(ranks[users], 10).mean(axis=0)
    np.testing.assert_allclose(fast.mean(axis=0), slow.mean(axis=0), atol=0.006)
    np.testing.assert_allclose(
        np.cov(fast.reshape(4000, 4), rowvar=False), np.cov(slow.reshape(4000, 4), rowvar=False), atol=4e-4
    )


def test_intervals_do_not_depend_on_the_order_of_users_or_on_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = {"model": _skewed(200, 0.5, 1), "markov": _skewed(200, 0.4, 2)}
    whole = measure(ranks, KS, resamples=50, rng=np.random.default_rng(3))
    monkeypatch.setattr("clairo.report.bootstrap._CELLS", 300)
    turned = {name: values[::-1] for name, values in ranks.items()}
    pieces = measure(turned, KS, resamples=50, rng=np.random.default_rng(3))
    assert whole["intervals"] == pieces["intervals"]
    assert (
        whole["differences"]["markov"]["ndcg@10"]["interval"]
        == (pieces["differences"]["markov"]["ndcg@10"]["interval"])
    )


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(8)
    truth, held = 0.3, 0
    for seed in range(300):
        ranks = np.where(rng.random(400) < truth, 0, -1)
        found = measure({"model": ranks}, (10,), resamples=300, rng=np.random.default_rng(seed))
        low, high = found["intervals"]["model"]["recall@10"]
        held += low <= truth <= high
    assert 0.90 < held / 300 < 0.985


def test_paired_differences_are_tighter_than_the_intervals_suggest() -> None:
    model = _skewed(2000, 0.5, 1)
    rival = np.where((np.arange(2000) % 25 == 0), -1, model)  # the same, but for every 25th user
    found = measure({"model": model, "markov": rival}, (10,), resamples=500, rng=np.random.default_rng(0))
    gap = found["differences"]["markov"]["ndcg@10"]
    assert gap["difference"] == pytest.approx(
        found["means"]["model"]["ndcg@10"] - found["means"]["markov"]["ndcg@10"]
    )
    assert gap["verdict"] == "above"
    assert found["intervals"]["markov"]["ndcg@10"][1] > found["intervals"]["model"]["ndcg@10"][0]


def test_verdicts_follow_the_interval() -> None:
    strong, weak = _skewed(500, 0.6, 1), _skewed(500, 0.2, 2)
    ranks = {"model": weak, "popularity": strong, "markov": weak.copy()}
    found = measure(ranks, (10,), resamples=200, rng=np.random.default_rng(0))["differences"]
    assert found["popularity"]["ndcg@10"]["verdict"] == "below"
    assert found["markov"]["ndcg@10"] == {
        "difference": 0.0,
        "interval": [0.0, 0.0],
        "verdict": "level",
        "users_differ": 0.0,
        "other_sign": 1.0,
    }

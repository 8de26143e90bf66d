"""Means and 95% intervals of metrics over users, and paired differences between systems."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo import metrics

LEVEL = 0.95
MODEL = "model"
_CELLS = 8_000_000  # weights held at once: 64 MB
_DECIMALS = 12  # of interval ends: sums in another order must not turn a difference of 0 into one above 0


def measure(
    ranks: dict[str, NDArray[np.int64]], cutoffs: Sequence[int], *, resamples: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Metrics of systems that ranked for the same users.

    Args:
        ranks: for each system the users' ranks of their targets, (n_users,) with n_users > 0, -1 for absent.
        cutoffs: k of `recall@k` and `ndcg@k`.
        resamples: bootstrap resamples of users. Every system is measured on the same ones, so the interval
            of a difference is that of paired observations.
        rng: where the resamples come from.

    Returns:
        `means` and `intervals` (percentile bootstrap), by system and metric, and `differences`: the model
        minus each rival by metric, with interval and verdict.
    """
    names = [f"{metric}@{k}" for metric in ("recall", "ndcg") for k in cutoffs]
    systems = list(ranks)
    drawn = resampled_means(np.stack([ranks[name] for name in systems], 1), cutoffs, resamples, rng)
    means = {name: metrics.summary(ranks[name], cutoffs) for name in systems}
    bounds = _bounds(drawn)
    intervals = {name: dict(zip(names, bounds[row], strict=True)) for row, name in enumerate(systems)}
    differences = {}
    for row, rival in enumerate(systems):
        if MODEL in ranks and rival != MODEL:
            paired = dict(zip(names, _bounds(drawn[:, systems.index(MODEL)] - drawn[:, row]), strict=True))
            differences[rival] = {
                name: _difference(means[MODEL][name] - means[rival][name], paired[name]) for name in names
            }
    return {"means": means, "intervals": intervals, "differences": differences}


def resampled_means(
    ranks: NDArray[np.int64], cutoffs: Sequence[int], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Means of all metrics over bootstrap resamples of users, (resamples, n_systems, n_metrics).

    Users with equal ranks in every system are exchangeable, so drawing n of n users with replacement is a
    multinomial draw over the distinct rows of `ranks`, (n_users, n_systems): the same distribution, and far
    fewer of them than users because most lists of most systems miss their target.
    """
    rows, counts = np.unique(ranks, axis=0, return_counts=True)
    values = np.stack(
        [metric(rows, k) for metric in (metrics.recall, metrics.ndcg) for k in cutoffs], axis=-1
    )
    flat = values.reshape(len(rows), -1)
    chunk = max(1, _CELLS // len(rows))
    drawn = [
        rng.multinomial(len(ranks), counts / len(ranks), size=min(chunk, resamples - start)) @ flat
        for start in range(0, resamples, chunk)
    ]
    means: NDArray[np.float64] = np.concatenate(drawn) / len(ranks)
    return means.reshape(resamples, *values.shape[1:])


def _bounds(drawn: NDArray[np.float64]) -> Any:
    """Percentile interval over the first axis, as nested lists that end in [low, high]."""
    tail = (1 - LEVEL) / 2
    ends = np.quantile(drawn, [tail, 1 - tail], axis=0).round(_DECIMALS)
    return np.moveaxis(ends, 0, -1).tolist()


def _difference(mean: float, interval: list[float]) -> dict[str, Any]:
    low, high = interval
    verdict = "above" if low > 0 else "below" if high < 0 else "level"
    return {"difference": mean, "interval": interval, "verdict": verdict}

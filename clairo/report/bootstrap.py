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
    ranks: dict[str, NDArray[np.int64]],
    cutoffs: Sequence[int],
    *,
    resamples: int,
    rng: np.random.Generator,
    reference: str = MODEL,
) -> dict[str, Any]:
    """Metrics of systems that ranked for the same users.

    Args:
        ranks: for each system the users' ranks of their targets, (n_users,) with n_users > 0, -1 for absent.
        cutoffs: k of `recall@k` and `ndcg@k`.
        resamples: bootstrap resamples of users. Every system is measured on the same ones, so the interval
            of a difference is that of paired observations.
        rng: where the resamples come from.
        reference: the system that every other is compared with.

    Returns:
        `means` and `intervals` (percentile bootstrap), by system and metric, and `differences`: the reference
        minus each other system by metric, as `difference`, `interval`, `verdict` (the reference is `above` or
        `below` where the interval lies on one side of 0, else `level`), `users_differ` (the share of users
        whose metric is not the same) and `other_sign`: the share of resamples whose difference is 0 or of the
        other sign than `difference`; 1 where that is 0 itself.
    """
    names = [f"{metric}@{k}" for metric in ("recall", "ndcg") for k in cutoffs]
    systems = list(ranks)
    drawn = resampled_means(np.stack([ranks[name] for name in systems], 1), cutoffs, resamples, rng)
    means = {name: metrics.summary(ranks[name], cutoffs) for name in systems}
    bounds = _bounds(drawn)
    intervals = {name: dict(zip(names, bounds[row], strict=True)) for row, name in enumerate(systems)}
    differences = {}
    for row, rival in enumerate(systems):
        if reference in ranks and rival != reference:
            gaps = (drawn[:, systems.index(reference)] - drawn[:, row]).round(_DECIMALS)
            differ = (_values(ranks[reference], cutoffs) != _values(ranks[rival], cutoffs)).mean(axis=0)
            differences[rival] = {
                name: _difference(
                    means[reference][name] - means[rival][name], gaps[:, column], differ[column]
                )
                for column, name in enumerate(names)
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
    values = _values(rows, cutoffs)
    flat = values.reshape(len(rows), -1)
    chunk = max(1, _CELLS // len(rows))
    drawn = [
        rng.multinomial(len(ranks), counts / len(ranks), size=min(chunk, resamples - start)) @ flat
        for start in range(0, resamples, chunk)
    ]
    means: NDArray[np.float64] = np.concatenate(drawn) / len(ranks)
    return means.reshape(resamples, *values.shape[1:])


def mean_gaps(
    ranks: NDArray[np.int64],
    first: NDArray[np.bool_],
    cutoffs: Sequence[int],
    *,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[Any, NDArray[np.float64]]:
    """The mean of some systems minus the mean of the others, resampled.

    Args:
        ranks: (n_users, n_systems), -1 for absent.
        first: (n_systems,) which systems are on the first side.
        cutoffs: k of `recall@k` and `ndcg@k`.
        resamples: of users.
        rng: where the resamples come from.

    Returns:
        For each metric (all recalls, then all NDCGs) the interval of the difference as [low, high], and the
        means of every system, (n_systems, n_metrics).
    """
    drawn = resampled_means(ranks, cutoffs, resamples, rng)
    gaps = drawn[:, first].mean(axis=1) - drawn[:, ~first].mean(axis=1)
    return _bounds(gaps.round(_DECIMALS)), _values(ranks, cutoffs).mean(axis=0)


def _values(ranks: NDArray[np.int64], cutoffs: Sequence[int]) -> NDArray[np.float64]:
    """All metrics of ranks of any shape, (..., n_metrics)."""
    return np.stack([metric(ranks, k) for metric in (metrics.recall, metrics.ndcg) for k in cutoffs], axis=-1)


def _bounds(drawn: NDArray[np.float64]) -> Any:
    """Percentile interval over the first axis, as nested lists that end in [low, high]."""
    tail = (1 - LEVEL) / 2
    ends = np.quantile(drawn, [tail, 1 - tail], axis=0).round(_DECIMALS) + 0.0  # -0.0 becomes 0.0
    return np.moveaxis(ends, 0, -1).tolist()


def _difference(mean: float, gaps: NDArray[np.float64], differ: float) -> dict[str, Any]:
    """What is said of a difference `mean` that is `gaps` in the resamples, (resamples,)."""
    low, high = interval = _bounds(gaps)
    verdict = "above" if low > 0 else "below" if high < 0 else "level"
    other = gaps * np.sign(round(mean, _DECIMALS)) <= 0
    return {
        "difference": mean,
        "interval": interval,
        "verdict": verdict,
        "users_differ": float(differ),
        "other_sign": float(other.mean()),
    }

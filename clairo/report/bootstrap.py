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
    means = _sums(values.reshape(len(rows), -1), counts, resamples, rng) / len(ranks)
    return means.reshape(resamples, *values.shape[1:])


def mean_gaps(
    ranks: NDArray[np.int64],
    there: NDArray[np.bool_],
    cutoffs: Sequence[int],
    *,
    resamples: int,
    rng: np.random.Generator,
) -> tuple[Any, NDArray[np.float64]]:
    """First minus second system of several pairs, averaged over the pairs, resampled.

    A resample takes a user with all pairs that have the user.

    Args:
        ranks: (n_users, n_pairs, 2), -1 for absent.
        there: (n_users, n_pairs) which users a pair has; every pair has some.
        cutoffs: k of `recall@k` and `ndcg@k`.
        resamples: of users.
        rng: where the resamples come from.

    Returns:
        For each metric (all recalls, then all NDCGs) the interval of the difference as [low, high], and the
        means of both systems over the users of each pair, (n_pairs, 2, n_metrics).
    """
    whole = np.concatenate([ranks.reshape(len(ranks), -1), there], axis=1)
    rows, counts = np.unique(whole, axis=0, return_counts=True)
    n_pairs = there.shape[1]
    held = rows[:, -n_pairs:]
    values = _values(rows[:, :-n_pairs].reshape(-1, n_pairs, 2), cutoffs) * held[:, :, None, None]
    gaps = values[:, :, 0] - values[:, :, 1]
    drawn = _sums(np.concatenate([gaps.reshape(len(rows), -1), held], axis=1), counts, resamples, rng)
    users = np.maximum(drawn[:, -n_pairs:, None], 1)  # a resample may have none of a small pair
    means = (drawn[:, :-n_pairs].reshape(resamples, n_pairs, -1) / users).mean(axis=1)
    whole_means = np.tensordot(counts, values, axes=1) / (counts @ held)[:, None, None]
    return _bounds(means.round(_DECIMALS)), whole_means


def _sums(
    values: NDArray[np.float64], counts: NDArray[np.int64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Sums of (n_rows, n) values over resamples of users, (resamples, n); `counts` users share a row."""
    n, chunk = counts.sum(), max(1, _CELLS // len(counts))
    drawn = [
        rng.multinomial(n, counts / n, size=min(chunk, resamples - start)) @ values
        for start in range(0, resamples, chunk)
    ]
    return np.concatenate(drawn)


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

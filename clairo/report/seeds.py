"""Two recipes side by side, each run with several seeds, on the users that all their runs have."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clairo.report import users
from clairo.report.bootstrap import LEVEL, mean_gaps
from clairo.report.comparison import METRICS, condition_of, joined
from clairo.rng import generator

_CUTOFFS = (5, 10)


def compare_seeds(
    first: Sequence[tuple[Path, str]],
    second: Sequence[tuple[Path, str]],
    *,
    condition: str,
    resamples: int,
    seed: int = 0,
) -> dict[str, Any]:
    """Compare the averages over seeds, by paired bootstrap over users.

    A user counts with the average of the metric over the runs of a side. The interval tells how the
    difference would vary with other users and these same runs; how it varies with the seed, `by_seed` shows.

    Args:
        first: run folder and system of each seed.
        second: the same of the other side, in the same order of seeds.
        condition: `validation`, `test` or `masked`.
        resamples: of users.
        seed: of the resamples.

    Returns:
        `users`, `level`, `resamples`, and `metrics`: for each `first`, `second`, `difference`, its
        `interval`, `by_seed`, and `verdict`: `above` or `below` where the interval lies on one side of 0 and
        no seed's difference on the other, else `level`.

    Raises:
        InputError: a run has no such results, no user is in all runs, or a user has another target in another
            run.
    """
    sides = [*first, *second]
    ranks = _ranks(sides, condition)
    n = len(first)
    columns = np.arange(len(sides)) < n
    drawn, means = mean_gaps(
        ranks, columns, _CUTOFFS, resamples=resamples, rng=generator(seed, "compare seeds", condition)
    )
    found = {}
    for place, name in enumerate(METRICS):
        one, two = means[columns, place], means[~columns, place]
        found[name] = _said(one, two, drawn[place])
    return {"users": len(ranks), "level": LEVEL, "resamples": resamples, "metrics": found}


def _ranks(sides: list[tuple[Path, str]], condition: str) -> NDArray[np.int64]:
    """Ranks from 0, -1 for absent, of the users that all sides have, (n_users, n_sides)."""
    wanted = condition_of(condition)
    tables = [users.read(run, wanted, system) for run, system in sides]
    names = [f"{run}:{system}" for run, system in sides]
    both = tables[0].select("user", "target", pl.col("rank").alias("0"))
    for place, table in enumerate(tables[1:], 1):
        right = table.select("user", "target", pl.col("rank").alias(str(place)))
        both = joined(both, right, [names[0], names[place]]).drop("target_right")
    return np.stack([users.from_0(both[str(place)]) for place in range(len(sides))], axis=1)


def _said(first: NDArray[np.float64], second: NDArray[np.float64], interval: list[float]) -> dict[str, Any]:
    """One metric's difference; `first` and `second` are means by seed."""
    by_seed = (first - second).tolist() if len(first) == len(second) else []
    low, high = interval
    verdict = "above" if low > 0 else "below" if high < 0 else "level"
    sign = {"above": 1, "below": -1, "level": 0}[verdict]
    if any(gap * sign < 0 for gap in by_seed):
        verdict = "level"
    return {
        "first": float(first.mean()),
        "second": float(second.mean()),
        "difference": float(first.mean() - second.mean()),
        "interval": interval,
        "by_seed": by_seed,
        "verdict": verdict,
    }

"""Two recipes side by side, each run with several seeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clairo.errors import InputError
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

    With each seed the two runs are compared on the users that both have, which may be others with another
    seed where runs measure a sample. The difference is the average over seeds. The interval tells how it
    would vary with other users and these same runs; how it varies with the seed, `by_seed` shows.

    Args:
        first: run folder and system of each seed; there is at least one.
        second: the same of the other side, in the same order of seeds.
        condition: `validation`, `test` or `masked`.
        resamples: of users, each taken with all its seeds.
        seed: of the resamples.

    Returns:
        `users` (of any seed), `level`, `resamples`, and `metrics`: for each `first`, `second`, `difference`,
        its `interval`, `by_seed`, and `verdict`: `above` or `below` where the interval lies on one side of 0
        and no seed's difference on the other, else `level`.

    Raises:
        InputError: a run has no such results, two runs of a seed have no user in common, or a user has
            another target in another run.
    """
    ranks, there = _ranks(list(zip(first, second, strict=True)), condition)
    drawn, means = mean_gaps(
        ranks, there, _CUTOFFS, resamples=resamples, rng=generator(seed, "compare seeds", condition)
    )
    found = {
        name: _said(means[:, 0, place], means[:, 1, place], drawn[place])
        for place, name in enumerate(METRICS)
    }
    return {"users": len(ranks), "level": LEVEL, "resamples": resamples, "metrics": found}


def _ranks(
    pairs: list[tuple[tuple[Path, str], tuple[Path, str]]], condition: str
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Ranks from 0, -1 for absent, (n_users, n_pairs, 2), and which users each pair has."""
    wanted = condition_of(condition)
    frames = []
    for first, second in pairs:
        tables = [users.read(run, wanted, system) for run, system in (first, second)]
        frames.append(joined(tables[0], tables[1], [f"{run}:{system}" for run, system in (first, second)]))
    everyone = pl.concat([frame.select("user", "target") for frame in frames]).unique().sort("user")
    other = everyone.filter(pl.col("user").is_duplicated())
    if other.height:
        raise InputError(
            f"{other['user'].n_unique()} users have another target with another seed (the first: "
            f"{other['user'][0]!r})",
            hint="seeds can be averaged where data and split are the same",
        )
    ranks = np.full((everyone.height, len(pairs), 2), -1, dtype=np.int64)
    there = np.zeros((everyone.height, len(pairs)), dtype=np.bool_)
    for place, frame in enumerate(frames):
        rows = everyone["user"].search_sorted(frame["user"])
        there[rows, place] = True
        for side, column in enumerate(("rank", "rank_right")):
            ranks[rows, place, side] = users.from_0(frame[column])
    return ranks, there


def _said(first: NDArray[np.float64], second: NDArray[np.float64], interval: list[float]) -> dict[str, Any]:
    """One metric's difference; `first` and `second` are means by seed."""
    by_seed = (first - second).tolist()
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

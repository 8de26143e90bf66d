"""Two systems side by side on the users that both have: of two runs, or of one run and its rivals."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import polars as pl

from clairo.errors import InputError
from clairo.report import users
from clairo.report.bootstrap import LEVEL, measure
from clairo.report.rankings import CONDITIONS, FILES_BLENDED, Condition
from clairo.rng import generator

METRICS = ("recall@5", "recall@10", "ndcg@5", "ndcg@10")
RESAMPLES = 10_000


@dataclass(frozen=True)
class Difference:
    """One metric of two systems on the same users.

    Attributes:
        first: mean of the first system over the users.
        second: mean of the second.
        difference: first minus second.
        interval: 95 % percentile interval of the difference over resamples of users; a resample takes both
            systems' results of the users it draws.
        users_differ: share of users whose metric is not the same in both.
        other_sign: share of resamples whose difference is 0 or of the other sign than `difference` (1 where
            that is 0 itself). It reads like a one-sided p-value, twice of it like a two-sided one, and cannot
            be told from 0 below 1 / resamples.
    """

    first: float
    second: float
    difference: float
    interval: tuple[float, float]
    users_differ: float
    other_sign: float


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes:
        first: the first side, as run folder and system.
        second: the second side.
        condition: `validation`, `test` or `masked`.
        users: how many users both sides have; the metrics are over them.
        users_of_first: how many users the first side has.
        users_of_second: how many the second has.
        other_histories: how many of `users` have a history of another length in the two runs, which then read
            different data before the same target.
        level: of the intervals.
        resamples: how many.
        seed: of the resamples.
        metrics: by name.
    """

    first: tuple[str, str]
    second: tuple[str, str]
    condition: str
    users: int
    users_of_first: int
    users_of_second: int
    other_histories: int
    level: float
    resamples: int
    seed: int
    metrics: dict[str, Difference]


def compare(
    first: str | PathLike[str],
    second: str | PathLike[str],
    *,
    condition: Literal["validation", "test", "masked"] = "test",
    metrics: Iterable[str] = METRICS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Comparison:
    """Compare two systems, paired by user, from what the reports of their runs keep of every user.

    Args:
        first: a run folder, for what it recommends, or `FOLDER:SYSTEM` for one of its systems: a rival
            (`popularity`, `markov`, `item2item`, `linear`), or, where the run blends, its `model` alone or
            the `blend`.
        second: what to compare it with, in the same words.
        condition: whose lists: of validation, of test, or of test without items of the history (`masked`).
        metrics: names such as `recall@10` and `ndcg@10`.
        resamples: bootstrap resamples of users.
        seed: of the resamples; the same seed gives the same intervals.

    Raises:
        InputError: a run has no such results, no user is in both, a user has another target in the other run
            (they were made on other data), or lists are shorter than a metric needs.
    """
    wanted, rows_of = condition_of(condition), [_side(first), _side(second)]
    names, sides = list(dict.fromkeys(metrics)), [f"{run}:{system}" for run, system in rows_of]
    cutoffs = {name: _cutoff(name) for name in names}
    if resamples < 1:
        raise InputError(f"resamples must be above 0, not {resamples}")
    tables = [users.read(run, wanted, system) for run, system in rows_of]
    for side, table in zip(sides, tables, strict=True):
        _check_depth(side, table, cutoffs)
    both = joined(tables[0], tables[1], sides)
    found = measure(
        {"first": users.from_0(both["rank"]), "second": users.from_0(both["rank_right"])},
        sorted(set(cutoffs.values())),
        resamples=resamples,
        rng=generator(seed, "compare", condition),
        reference="first",
    )
    return Comparison(
        first=(str(rows_of[0][0]), rows_of[0][1]),
        second=(str(rows_of[1][0]), rows_of[1][1]),
        condition=condition,
        users=both.height,
        users_of_first=tables[0].height,
        users_of_second=tables[1].height,
        other_histories=both.filter(pl.col("history_length") != pl.col("history_length_right")).height,
        level=LEVEL,
        resamples=resamples,
        seed=seed,
        metrics={name: _difference(name, found) for name in names},
    )


def condition_of(name: str) -> Condition:
    """The condition of that name."""
    for condition in CONDITIONS:
        if condition.name == name:
            return condition
    known = ", ".join(condition.name for condition in CONDITIONS)
    raise InputError(f"no condition {name!r}", hint=f"conditions: {known}")


def _side(text: str | PathLike[str]) -> tuple[Path, str]:
    """Run folder and system of `FOLDER` or `FOLDER:SYSTEM`."""
    folder, _, system = str(text).rpartition(":")
    named = bool(folder) and not Path(text).is_dir()
    run = Path(folder) if named else Path(text)
    if not run.is_dir():
        raise InputError(f"no run folder {str(run)!r}")
    if not named:
        return run, users.recommending(run)
    if system not in FILES_BLENDED:
        raise InputError(
            f"{str(text)!r} names no system of a run", hint=f"systems: {', '.join(FILES_BLENDED)}"
        )
    return run, system


def _cutoff(metric: str) -> int:
    found = re.fullmatch(r"(recall|ndcg)@([1-9]\d*)", metric)
    if found is None:
        raise InputError(f"no metric {metric!r}", hint="metrics are recall@K and ndcg@K, such as ndcg@10")
    return int(found[2])


def _check_depth(side: str, table: pl.DataFrame, cutoffs: dict[str, int]) -> None:
    """Refuse a metric that reaches behind the end of the lists: a target there would count as missed."""
    longest = int(table["listed"].to_numpy().max())
    for name, k in cutoffs.items():
        if k > longest:
            raise InputError(f"{side}: lists hold {longest} items, too few for {name}")


def joined(first: pl.DataFrame, second: pl.DataFrame, sides: list[str]) -> pl.DataFrame:
    """The users of both, in one order whatever that of the tables; columns of the second end in `_right`."""
    both = first.join(second, on="user", how="inner").sort("user")
    if both.is_empty():
        raise InputError(f"no user is in both {sides[0]} and {sides[1]}", hint="the runs are of other data")
    other = both.filter(pl.col("target") != pl.col("target_right"))
    if other.height:
        raise InputError(
            f"{other.height} of the {both.height} users that are in both {sides[0]} and {sides[1]} have "
            f"another target there (the first: {other['user'][0]!r})",
            hint="runs can be compared where data and split are the same",
        )
    return both


def _difference(name: str, found: dict[str, dict[str, dict[str, Any]]]) -> Difference:
    gap = found["differences"]["second"][name]
    low, high = gap["interval"]
    return Difference(
        first=found["means"]["first"][name],
        second=found["means"]["second"][name],
        difference=gap["difference"],
        interval=(low, high),
        users_differ=gap["users_differ"],
        other_sign=gap["other_sign"],
    )


def told(found: Comparison) -> str:
    """The comparison as a table in plain text, and what its columns mean."""
    whose = [f"{run} ({system})" for run, system in (found.first, found.second)]
    row = "{:<10} {:>9} {:>9} {:>10} {:>21} {:>8} {:>11}"
    lines = [
        f"first: {whose[0]}, {found.users_of_first} users",
        f"second: {whose[1]}, {found.users_of_second} users",
        f"{found.condition}: {found.users} users that both have",
        "",
        row.format(
            "", "first", "second", "difference", f"{found.level:.0%} interval", "differ", "other sign"
        ),
    ]
    for name, gap in found.metrics.items():
        low, high = gap.interval
        span = f"[{low:+.4f}, {high:+.4f}]"
        numbers = f"{gap.first:.4f}", f"{gap.second:.4f}", f"{gap.difference:+.4f}", span
        other = f"{gap.other_sign:.4f}" if gap.other_sign else f"< {1 / found.resamples:.1g}"
        lines.append(row.format(name, *numbers, f"{gap.users_differ:.1%}", other))
    lines += [
        "",
        f"difference: first minus second; interval: over {found.resamples} paired resamples of users.",
        "differ: share of users whose value is not the same in both.",
        "other sign: share of resamples whose difference is 0 or has the other sign (like a one-sided p).",
    ]
    return "\n".join(lines)

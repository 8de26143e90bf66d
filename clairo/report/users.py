"""Every user's result as one table, from which any slice and any paired test can be made later."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clairo.artifacts import Sequences
from clairo.artifacts.sequences import Split
from clairo.errors import InputError
from clairo.report.bootstrap import MODEL
from clairo.report.rankings import BLEND, Condition, Rankings
from clairo.report.results import Catalogue

FILE = "users.parquet"
SCHEMA = pl.Schema(
    {
        "user": pl.String,  # original id
        "split": pl.String,  # validation or test
        "masked": pl.Boolean,  # whether items of the history were held back
        "system": pl.String,  # blend, model, popularity, markov, item2item or linear
        "target": pl.String,  # original id
        "rank": pl.Int32,  # of the target, from 1; null where the list does not hold it
        "listed": pl.Int32,  # items that the list holds
        "history_length": pl.Int32,  # the user's events before the target
        "user_training_events": pl.Int32,  # 0: training has not seen the user
        "target_training_events": pl.Int32,  # 0: training has not seen the target
        "target_tail": pl.String,  # head, tail or cold, as the report slices
        "repeat": pl.Boolean,  # whether the history holds the target already
        "tie": pl.Boolean,  # whether the user's last two events share their time; null: unknown
    }
)


def write(
    path: Path, measured: dict[str, tuple[Condition, Rankings]], table: Sequences, items: Catalogue
) -> None:
    """Write one row a condition, system and user, in that order; users as the sequences order them."""
    frames = [pl.DataFrame(schema=SCHEMA)]
    for condition, lists in measured.values():
        facts = _facts(condition.split, lists.users, table, items)
        frames += [facts.with_columns(_result(condition, lists, system)) for system in lists.ranks]
    pl.concat([frame.select(*SCHEMA).cast(SCHEMA) for frame in frames]).write_parquet(path)


def read(run: Path, condition: Condition, system: str) -> pl.DataFrame:
    """The rows of one system under one condition.

    Raises:
        InputError: the run has no such table, the table is damaged, or holds no such rows.
    """
    path = run / "report" / FILE
    if not path.is_file():
        raise InputError(f"{path} is missing", hint=f"write it with `clairo report {run}`")
    wanted = (pl.col("split") == condition.split) & (pl.col("masked") == condition.masked)
    try:
        rows = pl.scan_parquet(path).filter(wanted).select(*SCHEMA).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            f"{path} is damaged: {error}", hint=f"write it again with `clairo report {run}`"
        ) from None
    found = rows.filter(pl.col("system") == system)
    if found.is_empty():
        there = ", ".join(rows["system"].unique(maintain_order=True)) or "none"
        raise InputError(f"{path} has no {system} under {condition.name}", hint=f"systems there: {there}")
    return found


def recommending(run: Path) -> str:
    """The system that a run recommends by: `blend` where its table has one, else `model`."""
    path = run / "report" / FILE
    try:
        blended = pl.scan_parquet(path).filter(pl.col("system") == BLEND).head(1).collect().height
    except (pl.exceptions.PolarsError, OSError):
        return MODEL  # `read` says what is wrong with the table
    return BLEND if blended else MODEL


def from_0(ranks: pl.Series) -> NDArray[np.int64]:
    """Ranks as `clairo.metrics` takes them, from 0 and -1 for absent, of the table's."""
    return ranks.fill_null(0).to_numpy().astype(np.int64) - 1


def _result(condition: Condition, lists: Rankings, system: str) -> Iterator[pl.Series | pl.Expr]:
    """The columns that depend on who recommended, and how."""
    yield pl.lit(condition.split).alias("split")
    yield pl.lit(condition.masked).alias("masked")
    yield pl.lit(system).alias("system")
    yield pl.Series("rank", lists.ranks[system] + 1, dtype=pl.Int32).replace(0, None)
    yield pl.Series("listed", lists.listed[system], dtype=pl.Int32)


def _facts(split: Split, users: NDArray[np.int64], table: Sequences, items: Catalogue) -> pl.DataFrame:
    """The columns that are the same whoever recommends."""
    before = getattr(table, split)[users]
    position = table.offsets[users] + before
    target = table.events[position].astype(np.int64)
    kind = np.where(items.head[target], "head", np.where(items.new[target], "cold", "tail"))
    columns = {
        "user": table.users[users].tolist(),
        "target": table.items[target].tolist(),
        "history_length": before,
        "user_training_events": table.train_end[users],
        "target_training_events": items.events[target],
        "target_tail": kind.tolist(),
        "repeat": _repeats(split, users, target, table),
        "tie": table.ties[users],
        "timed": table.times[position] >= 0,
    }
    return pl.DataFrame(columns).with_columns(pl.when("timed").then("tie").alias("tie")).drop("timed")


def _repeats(
    split: Split, users: NDArray[np.int64], target: NDArray[np.int64], table: Sequences
) -> NDArray[np.bool_]:
    """Whether each of `users` has the target in the whole history before it."""
    whole = replace(table, max_history=max(1, len(table.events)))
    offsets, events = whole.input_history(split)
    wanted = np.full(table.n_users, -1, dtype=np.int64)
    wanted[users] = target
    owners = np.repeat(table.targets(split)[0], np.diff(offsets))
    seen = np.bincount(owners[events == wanted[owners]], minlength=table.n_users) > 0
    repeats: NDArray[np.bool_] = seen[users]
    return repeats

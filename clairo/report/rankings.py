"""The lists of all systems for one condition, on the same users."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clairo import metrics
from clairo.artifacts import sequences
from clairo.errors import InputError
from clairo.report.bootstrap import MODEL
from clairo.report.catalogue import CUTOFF

BLEND = "blend"
_RIVALS = {
    "popularity": "popularity.parquet",
    "markov": "markov.parquet",
    "item2item": "item2item.parquet",
    "linear": "linear.parquet",
}
FILES = {MODEL: "recommendations.parquet", **_RIVALS}
FILES_BLENDED = {BLEND: "recommendations.parquet", MODEL: "model.parquet", **_RIVALS}
_HINT = "run the recommendations stage again"


@dataclass(frozen=True)
class Condition:
    """Which rows of the files belong together: a split, with or without items of the history."""

    name: str
    split: sequences.Split
    masked: bool


CONDITIONS = (
    Condition("validation", "validation", masked=False),
    Condition("test", "test", masked=False),
    Condition("masked", "test", masked=True),
)


@dataclass(frozen=True)
class Rankings:
    """What every system recommended under one condition; rows are the users that the model has lists for.

    Attributes:
        users: (n,) int64 user indices, ascending.
        of: how many users have a target in the split; more than n where users were sampled.
        ranks: for each system the rank of the user's target in the whole list, (n,) int64, -1 for absent. The
            system that the run recommends by is the first: the model, or its blend with item-to-item.
        listed: for each system how many items each list holds, (n,) int64.
        top: for each system the first items, (n, CUTOFF) int64 item indices, -1 where a list is shorter.
    """

    users: NDArray[np.int64]
    of: int
    ranks: dict[str, NDArray[np.int64]]
    listed: dict[str, NDArray[np.int64]]
    top: dict[str, NDArray[np.int64]]

    @property
    def main(self) -> str:
        """The system that the run recommends by."""
        return next(iter(self.ranks))


def read(folder: Path, table: sequences.Sequences, condition: Condition) -> Rankings | None:
    """The rankings under `condition`, or None where the model has no list for it.

    A rival is measured on the users of the model; one without a file or without such rows is left out.

    Raises:
        InputError: a file is damaged, was made from other sequences, or a rival lacks a user of the model.
    """
    targets = np.full(table.n_users, -1, dtype=np.int64)
    targets_of, items = table.targets(condition.split)
    targets[targets_of] = items
    users: NDArray[np.int64] | None = None
    ranks, listed, top = {}, {}, {}
    for name, path, rows in _tables(folder, condition):
        found, lists = _decode(rows, path, table, targets)
        if users is None:
            users = found
        lists = lists[_rows(found, users, path, table)]
        ranks[name] = metrics.rank_of(lists, targets[users])
        listed[name] = (lists >= 0).sum(axis=1)
        top[name] = lists[:, :CUTOFF].copy()  # a view would keep the whole lists
    return None if users is None else Rankings(users, len(targets_of), ranks, listed, top)


def _tables(folder: Path, condition: Condition) -> Iterator[tuple[str, Path, pl.DataFrame]]:
    """The rows of each system that has any, the recommending one first; nothing where that has none."""
    files = FILES_BLENDED if (folder / FILES_BLENDED[MODEL]).is_file() else FILES
    for name, file in files.items():
        path = folder / file
        if path.is_file():
            rows = _rows_of(path, condition)
            if rows.height:
                yield name, path, rows
                continue
        if name == next(iter(files)):
            return


def _rows_of(path: Path, condition: Condition) -> pl.DataFrame:
    wanted = (pl.col("split") == condition.split) & (pl.col("masked") == condition.masked)
    try:
        return pl.scan_parquet(path).filter(wanted).select("user", "items", "target").collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} is damaged: {error}", hint=_HINT) from None


def _decode(
    rows: pl.DataFrame, path: Path, table: sequences.Sequences, targets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """User indices in ascending order, and their lists as item indices padded with -1."""
    users = _indices(rows["user"], table.users, path, "user")
    named = _indices(rows["target"], table.items, path, "item")
    wrong = np.flatnonzero(named != targets[users])
    if len(wrong):
        raise InputError(
            f"{path}: user {rows['user'][int(wrong[0])]!r} has target {rows['target'][int(wrong[0])]!r}, "
            "the sequences say otherwise",
            hint=_HINT,
        )
    order = np.argsort(users, kind="stable")
    twice = np.flatnonzero(np.diff(users[order]) == 0)
    if len(twice):
        raise InputError(
            f"{path}: user {str(table.users[users[order][twice[0]]])!r} has two lists", hint=_HINT
        )
    return users[order], _matrix(rows["items"], path, table)[order]


def _matrix(lists: pl.Series, path: Path, table: sequences.Sequences) -> NDArray[np.int64]:
    lengths = lists.list.len().to_numpy().astype(np.int64)
    flat = _indices(lists.filter(lists.list.len() > 0).explode(), table.items, path, "item")
    matrix = np.full((len(lengths), max(int(lengths.max(initial=0)), CUTOFF)), -1, dtype=np.int64)
    row = np.repeat(np.arange(len(lengths)), lengths)
    column = np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    matrix[row, column] = flat
    return matrix


def _indices(values: pl.Series, known: NDArray[np.str_], path: Path, noun: str) -> NDArray[np.int64]:
    """Row of each value among `known`."""
    ids = pl.DataFrame({"id": pl.Series(known.tolist(), dtype=pl.String)}).with_row_index("row")
    found = values.cast(pl.String).to_frame("id").join(ids, on="id", how="left", maintain_order="left")
    missing = found.filter(pl.col("row").is_null())
    if missing.height:
        raise InputError(f"{path}: {noun} {missing['id'][0]!r} is not among the sequences", hint=_HINT)
    rows: NDArray[Any] = found["row"].to_numpy()
    return rows.astype(np.int64)


def _rows(
    found: NDArray[np.int64], users: NDArray[np.int64], path: Path, table: sequences.Sequences
) -> NDArray[np.int64]:
    """Where each of `users` stands in `found`."""
    rows = np.minimum(np.searchsorted(found, users), len(found) - 1)
    missing = users[found[rows] != users]
    if len(missing):
        raise InputError(
            f"{path}: user {str(table.users[missing[0]])!r} has no list here, but the model has one",
            hint=_HINT,
        )
    return rows

"""The lists as parquet, in original ids: what the report and the world outside read."""

import os
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from clairo.artifacts import Sequences
from clairo.errors import ClairoError
from clairo.log import logger
from clairo.recommendations.sample import Condition, Sample
from clairo.rivals.lists import Lists


def announce() -> None:
    """Say beforehand that lists cannot be written here, if so."""
    if find_spec("polars") is None:
        logger.warning("polars is not installed: the search is made and kept, the lists are not written here")


def write(path: Path, sequences: Sequences, lists: Iterable[tuple[Condition, Sample, Lists]]) -> None:
    """Write one row a user and condition: user, split, masked, items, scores, target; whole or not at all.

    Raises:
        ClairoError: polars is not installed.
    """
    try:
        import polars as pl
    except ModuleNotFoundError:
        raise ClairoError(
            "the search is done and kept in the run folder, but its lists are written by polars, "
            "which is not installed",
            hint="install polars, or bring the run folder to where it is; the same command goes on from here",
        ) from None

    names = sequences.items.astype(object)  # the rows then share one string for each item
    schema: dict[str, Any] = {
        "user": pl.String,
        "split": pl.String,
        "masked": pl.Boolean,
        "items": pl.List(pl.String),
        "scores": pl.List(pl.Float64),
        "target": pl.String,
    }
    tables = [pl.DataFrame(schema=schema)]
    for condition, sample, found in lists:
        lengths = (found.items >= 0).sum(axis=1).tolist()
        columns = {
            "user": sequences.users[sample.users].tolist(),
            "split": [condition.split] * len(lengths),
            "masked": [condition.masked] * len(lengths),
            "items": [names[row[:n]].tolist() for row, n in zip(found.items, lengths, strict=True)],
            "scores": [row[:n].tolist() for row, n in zip(found.scores, lengths, strict=True)],
            "target": names[sample.targets].tolist(),
        }
        tables.append(pl.DataFrame(columns, schema=schema))
    partial = path.with_name(f".{path.name}.partial")
    pl.concat(tables).write_parquet(partial)
    os.replace(partial, path)  # noqa: PTH105 - the same call on every system replaces

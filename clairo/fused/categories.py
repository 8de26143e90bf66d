"""The category of an item: the first entry of its list of categories in which items differ."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo.errors import InputError


def level_of(lists: list[list[str]]) -> int:
    """The first place at which two of the lists differ.

    Raises:
        InputError: there is none.
    """
    for level in range(max(map(len, lists), default=0)):
        if len({entries[level] for entries in lists if len(entries) > level}) > 1:
            return level
    raise InputError(
        'fused.learned_weights = "category", but no two items differ in their categories',
        hint='set fused.learned_weights = "modality" or "item"',
    )


def at(lists: list[list[str]], level: int) -> NDArray[np.str_]:
    """The entry of every list at `level`, empty where it is shorter."""
    return np.array([entries[level] if len(entries) > level else "" for entries in lists], dtype=np.str_)


def read(sequences: Path, ids: NDArray[np.str_]) -> list[list[str]]:
    """The list of categories of every one of `ids`; empty where an item has none.

    Raises:
        InputError: the table of items cannot be read.
    """
    import polars as pl

    path = sequences / "items.parquet"
    try:
        table = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint="run the sequences stage again") from None
    if "categories" not in table.columns:
        return [[] for _ in ids]
    rows = {str(row["item"]): row["categories"] for row in table.select("item", "categories").to_dicts()}
    return [_entries(rows.get(str(item))) for item in ids]


def _entries(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(entry) for entry in value] if isinstance(value, list) else [str(value)]

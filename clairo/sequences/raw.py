"""What the reviews stage left, as events and a table of items."""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clairo.errors import InputError
from clairo.sequences.events import Events


def read(folder: Path) -> tuple[Events, pl.DataFrame]:
    """The events in the order of the published file, and the items; both kinds of ids sorted.

    Raises:
        InputError: a file is missing or damaged.
    """
    try:
        frame = pl.read_parquet(folder / "events.parquet", columns=["user", "item", "time", "row"]).sort(
            "row"
        )
        table = pl.read_parquet(folder / "items.parquet").sort("item")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{folder} cannot be read: {error}", hint="run the reviews stage again") from None
    users, items = frame["user"].unique().sort(), table["item"]
    events = Events(
        user=_index(frame["user"], users),
        item=_index(frame["item"], items),
        time=frame["time"].to_numpy(),
        users=_ids(users),
        items=_ids(items),
    )
    return events, table


def _index(values: pl.Series, among: pl.Series) -> NDArray[np.int64]:
    """Position of each value in `among`, whose values differ."""
    positions = pl.Series(np.arange(len(among)))
    return values.replace_strict(among, positions, return_dtype=pl.Int64).to_numpy()


def _ids(values: pl.Series) -> NDArray[np.str_]:
    return np.array(values.to_list(), dtype=np.str_)

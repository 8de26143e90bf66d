"""What the reviews stage left, as events and a table of items."""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clairo.errors import InputError
from clairo.sequences.events import Events

EVENTS, ITEMS = "events.parquet", "items.parquet"


def read(folder: Path) -> tuple[Events, pl.DataFrame]:
    """The events in the order of the published file, and the items; both kinds of ids sorted.

    Raises:
        InputError: a file is missing or damaged.
    """
    frame, table = events_of(folder), items_of(folder).sort("item")
    users, items = frame["user"].unique().sort(), table["item"]
    events = Events(
        user=index(frame["user"], users),
        item=index(frame["item"], items),
        time=frame["time"].to_numpy(),
        users=_ids(users),
        items=_ids(items),
    )
    return events, table


def events_of(folder: Path) -> pl.DataFrame:
    """User, item, time and row of every event, in the order of the published file."""
    return _table(folder / EVENTS, columns=["user", "item", "time", "row"]).sort("row")


def items_of(folder: Path) -> pl.DataFrame:
    """The table of items."""
    return _table(folder / ITEMS)


def _table(path: Path, columns: list[str] | None = None) -> pl.DataFrame:
    try:
        return pl.read_parquet(path, columns=columns)
    except (OSError, pl.exceptions.PolarsError) as error:
        stage = path.parent.name
        raise InputError(f"{path} cannot be read: {error}", hint=f"run the {stage} stage again") from None


def index(values: pl.Series, among: pl.Series) -> NDArray[np.int64]:
    """Position of each value in `among`, whose values differ."""
    positions = pl.Series(np.arange(len(among)))
    return values.replace_strict(among, positions, return_dtype=pl.Int64).to_numpy()


def _ids(values: pl.Series) -> NDArray[np.str_]:
    return np.array(values.to_list(), dtype=np.str_)

"""What the numbers look like from close by: the items recommended most, and a few users' lists."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clairo import rng
from clairo.artifacts import Sequences
from clairo.errors import InputError
from clairo.report import catalogue
from clairo.report.rankings import Condition, Rankings

ITEMS = "items.parquet"
_USERS = 5
_HISTORY = 5
_LIST = 5
_MOST = 10
_TITLE_LENGTH = 100


def examples(
    folder: Path,
    measured: dict[str, tuple[Condition, Rankings]],
    table: Sequences,
    events: NDArray[np.int64],
    seed: int,
) -> dict[str, Any] | None:
    """Examples of masked lists, which people see, or of what else was measured; None where nothing was."""
    if not measured:
        return None
    name = "masked" if "masked" in measured else next(iter(measured))
    condition, lists = measured[name]
    names = titles(folder, table.n_items)
    return {
        "condition": name,
        "users": users(condition, lists, table, names, seed),
        "most_recommended": most_recommended(lists, table, events, names),
    }


def titles(folder: Path, n_items: int) -> list[str | None]:
    """A title for each item (its text where it has none), shortened; None where it has neither."""
    path = folder / ITEMS
    if not path.is_file():
        return [None] * n_items
    try:
        items = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(f"{path} is damaged: {error}", hint="run the sequences stage again") from None
    columns = [pl.col(name).cast(pl.String) for name in ("title", "text") if name in items.columns]
    if not columns or items.height != n_items:
        return [None] * n_items
    return items.select(pl.coalesce(columns).str.slice(0, _TITLE_LENGTH)).to_series().to_list()


def most_recommended(
    lists: Rankings, table: Sequences, events: NDArray[np.int64], names: list[str | None]
) -> list[dict[str, Any]]:
    """The items that the model shows to most users among its first ten, most first."""
    shown = catalogue.slots(lists.top[lists.main], table.n_items)
    order = np.lexsort((np.arange(table.n_items), -shown))[:_MOST]
    return [
        {
            **_item(int(row), table, names),
            "share_of_users": float(shown[row] / len(lists.users)),
            "training_events": int(events[row]),
        }
        for row in order
        if shown[row]
    ]


def users(
    condition: Condition, lists: Rankings, table: Sequences, names: list[str | None], seed: int
) -> list[dict[str, Any]]:
    """A few users drawn at random: end of the history, target, start of the model's list, rank from 1."""
    stream = rng.generator(seed, "report", "examples")
    rows = np.sort(stream.choice(len(lists.users), size=min(_USERS, len(lists.users)), replace=False))
    found = []
    for row in rows.tolist():
        user, rank = int(lists.users[row]), int(lists.ranks[lists.main][row])
        stop = int(getattr(table, condition.split)[user])
        history = table.history(user)
        first = lists.top[lists.main][row, :_LIST]
        found.append(
            {
                "user": str(table.users[user]),
                "history": [
                    _item(int(item), table, names) for item in history[max(stop - _HISTORY, 0) : stop]
                ],
                "target": _item(int(history[stop]), table, names),
                "recommended": [_item(int(item), table, names) for item in first[first >= 0]],
                "rank": None if rank < 0 else rank + 1,
            }
        )
    return found


def _item(row: int, table: Sequences, names: list[str | None]) -> dict[str, str | None]:
    return {"item": str(table.items[row]), "title": names[row]}

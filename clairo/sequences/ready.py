"""Histories that were made elsewhere: `*.inter.json`, or MQL4GRec's `*.inter`, with dense ids."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clairo.errors import InputError
from clairo.sequences.events import Events

_HEADER = ["user_id:token", "item_id_list:token_seq", "item_id:token"]


def read(
    histories: Path, user_ids: Path | None, item_ids: Path | None
) -> tuple[Events, NDArray[np.str_], NDArray[np.str_]]:
    """Events (time -1), original user ids and original item ids, rows in the order of the dense ids.

    Raises:
        InputError: a file is damaged, or names a dense id that has no original.
    """
    rows = _json(histories) if histories.suffix == ".json" else _inter(histories)
    lengths = [len(items) for items in rows.values()]
    user = np.repeat(np.fromiter(rows, dtype=np.int64, count=len(rows)), lengths)
    item = np.array([item for items in rows.values() for item in items], dtype=np.int64)
    if not len(item):
        raise InputError(f"{histories} holds no events")
    users = _originals(user_ids, int(user.max()) + 1, histories, "user")
    items = _originals(item_ids, int(item.max()) + 1, histories, "item")
    return Events(user, item, np.full(len(item), -1, dtype=np.int64)), users, items


def item_table(path: Path | None, items: NDArray[np.str_]) -> pl.DataFrame:
    """One row an item with what the JSON `path` (dense id to fields) says of it.

    Raises:
        InputError: the file is damaged, or says of a dense id that it is another item.
    """
    if path is None:
        return pl.DataFrame({"item": items.tolist()})
    table = _object(path)
    rows: list[dict[str, Any]] = []
    for dense, item in enumerate(items):
        fields = table.get(str(dense), {})
        if not isinstance(fields, dict):
            raise InputError(f"{path}, entry {str(dense)!r}: an object of fields is expected, not {fields!r}")
        if fields.get("asin", item) != item:
            raise InputError(
                f"{path}, entry {str(dense)!r} is item {fields['asin']!r}, but the ids say {item!r}"
            )
        rows.append({"item": str(item), **{key: value for key, value in fields.items() if key in _TEXTS}})
    return pl.DataFrame(rows, schema={"item": pl.String, **dict.fromkeys(_TEXTS, pl.String)}, strict=False)


_TEXTS = ("title", "brand", "price", "description", "text")


def _json(path: Path) -> dict[int, list[int]]:
    rows = {}
    for user, items in _object(path).items():
        if not user.isdecimal():
            raise InputError(f"{path}, entry {user!r}: a dense user id is expected")
        if not isinstance(items, list) or not all(type(item) is int and item >= 0 for item in items):
            raise InputError(f"{path}, entry {user!r}: a list of dense item ids is expected")
        rows[int(user)] = items
    return rows


def _inter(path: Path) -> dict[int, list[int]]:
    rows: dict[int, list[int]] = {}
    with path.open(encoding="utf-8") as file:
        if file.readline().rstrip("\n").split("\t") != _HEADER:
            raise InputError(f"{path}, line 1: the header {' '.join(_HEADER)} is expected")
        for number, line in enumerate(file, 2):
            try:
                user, history, target = line.rstrip("\n").split("\t")
                items = [int(item) for item in (*history.split(), target)]
            except ValueError:
                raise InputError(f"{path}, line {number}: user, history and target are expected") from None
            if int(user) in rows:
                raise InputError(
                    f"{path}, line {number}: user {user} stands here twice",
                    hint="name the `.test.inter` file, which holds each user's whole history once",
                )
            rows[int(user)] = items
    return rows


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is no JSON file: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: a JSON object is expected")
    return value


def _originals(path: Path | None, at_least: int, histories: Path, what: str) -> NDArray[np.str_]:
    """Original ids in the order of the dense ones."""
    if path is None:
        return np.array([str(dense) for dense in range(at_least)])
    originals: dict[int, str] = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        original, tab, dense = line.partition("\t")
        if not tab or not dense.strip().isdecimal() or int(dense) in originals:
            raise InputError(
                f"{path}, line {number}: an original id, a tab and a dense id of its own are expected"
            )
        originals[int(dense)] = original
    gap = next((dense for dense in range(max(at_least, len(originals))) if dense not in originals), None)
    if gap is not None:
        raise InputError(
            f"{path} has no {what} of dense id {gap}, which {histories.name} or its own ids reach"
        )
    names = np.array([originals[dense] for dense in range(len(originals))])
    if len(np.unique(names)) != len(names):
        raise InputError(f"{path}: an original {what} id has two dense ids")
    return names

"""Histories that were made elsewhere: `*.inter.json`, or MQL4GRec's `*.inter`, with dense ids."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo.errors import InputError
from clairo.sequences.events import Events

_HEADER = ["user_id:token", "item_id_list:token_seq", "item_id:token"]
_LARGEST = 2**62

Histories = dict[int, list[int]]


def read(histories: Path, user_ids: Path | None, item_ids: Path | None) -> tuple[Events, NDArray[np.int64]]:
    """The events of ready histories, times unknown (-1), users and items in the order of their dense ids.

    Args:
        histories: a JSON object of dense user id to a list of dense item ids (by the name, `.json`), or a
            tab-separated table of user, history and target with its header. MQL4GRec's tables hold the latest
            50 events of a history, its JSON all of them.
        user_ids: lines of original id, tab, dense id; None: dense ids are the ids.
        item_ids: the same for items.

    Returns:
        The events, and the dense id of each row of their items, (n_items,) int64.

    Raises:
        InputError: a file is damaged, a dense id has no original or two, or an original has two dense ids.
    """
    rows = _from_json(histories) if histories.suffix == ".json" else _from_table(histories)
    lengths = [len(items) for items in rows.values()]
    user = np.repeat(np.fromiter(rows, dtype=np.int64, count=len(rows)), lengths)
    item = np.fromiter(itertools.chain.from_iterable(rows.values()), dtype=np.int64, count=sum(lengths))
    if not len(item):
        raise InputError(f"{histories} holds no events")
    dense_users, users = _originals(user_ids, user, histories, "user")
    dense_items, items = _originals(item_ids, item, histories, "item")
    events = Events(
        user=np.searchsorted(dense_users, user),
        item=np.searchsorted(dense_items, item),
        time=np.full(len(item), -1, dtype=np.int64),
        users=users,
        items=items,
    )
    return events, dense_items


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`.

    Raises:
        InputError: the file is no JSON, no object, or names a key twice.
    """

    def no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        seen = set[str]()
        for key, _ in pairs:
            if key in seen:
                raise InputError(f"{path}: {key!r} stands there twice")
            seen.add(key)
        return dict(pairs)

    try:
        value = json.loads(path.read_text("utf-8"), object_pairs_hook=no_repeats)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{path} is no JSON file: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path} holds no JSON object")
    return value


def _from_json(path: Path) -> Histories:
    rows: Histories = {}
    for key, items in read_object(path).items():
        user = _dense(key)
        if user is None or user in rows:
            raise InputError(f"{path}, entry {key!r}: a dense user id of its own is expected")
        if not isinstance(items, list) or not all(
            type(item) is int and 0 <= item < _LARGEST for item in items
        ):
            raise InputError(f"{path}, entry {key!r}: a list of dense item ids is expected")
        rows[user] = items
    return rows


def _from_table(path: Path) -> Histories:
    rows: Histories = {}
    for number, line in _lines(path):
        fields = line.split("\t")
        if number == 1:
            if fields != _HEADER:
                raise InputError(f"{path}, line 1: the header {' '.join(_HEADER)} is expected")
            continue
        history = [_dense(word) for word in (*fields[1].split(), fields[2])] if len(fields) == 3 else [None]
        user, items = _dense(fields[0]), [item for item in history if item is not None]
        if user is None or len(items) < len(history):
            raise InputError(
                f"{path}, line {number}: a dense user id, a history of dense item ids and a target, "
                "with tabs between, are expected"
            )
        if user in rows:
            raise InputError(
                f"{path}, line {number}: user {user} stands there twice",
                hint="name the `.test.inter` file, which holds the whole history of each user once",
            )
        rows[user] = items
    return rows


def _originals(
    path: Path | None, used: NDArray[np.int64], histories: Path, what: str
) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Dense ids, rising, and the original id of each; those that `used` does not name are among them."""
    if path is None:
        dense = np.unique(used)
        return dense, dense.astype(np.str_)
    named = _pairs(path)
    dense = np.array(sorted(named), dtype=np.int64)
    unnamed = np.setdiff1d(used, dense)
    if len(unnamed):
        raise InputError(
            f"{path} has no {what} of dense id {unnamed[0]}, which {histories.name} names",
            hint="take both files from one release of the data",
        )
    return dense, np.array([named[number] for number in dense.tolist()], dtype=np.str_)


def _pairs(path: Path) -> dict[int, str]:
    """Dense to original ids, each of both once."""
    named: dict[int, str] = {}
    originals: set[str] = set()
    for number, line in _lines(path):
        if not line.strip():
            continue
        original, _, last = line.partition("\t")
        dense = _dense(last)
        if not original or dense is None:
            raise InputError(f"{path}, line {number}: an original id, a tab and a dense id are expected")
        if dense in named:
            raise InputError(f"{path}, line {number}: dense id {dense} is {named[dense]!r} and {original!r}")
        if original in originals:
            raise InputError(f"{path}, line {number}: {original!r} has two dense ids")
        named[dense] = original
        originals.add(original)
    return named


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, 1):
                yield number, line.rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None


def _dense(word: str) -> int | None:
    """A dense id; None for what is none."""
    word = word.strip()
    return int(word) if word.isascii() and word.isdecimal() and len(word) < 19 else None

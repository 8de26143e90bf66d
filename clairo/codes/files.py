"""Codes that were made elsewhere, in the files of MQL4GRec (`*.index*.json`)."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo.errors import InputError

_CODE = re.compile(r"<([A-Za-z]+)_(\d+)>")


@dataclass(frozen=True)
class Table:
    """The codes of one file.

    Attributes:
        label: what the file calls itself: `lemb` for `Instruments.index_lemb.json`.
        codes: (n_items, n_books) uint32.
    """

    label: str
    codes: NDArray[np.uint32]


def read(path: Path, items: NDArray[np.str_], *, values: int, dense: bool = True) -> Table:
    """The codes of `items`: a JSON object of item id to a list such as `["<a_170>", "<b_224>"]`.

    Ids are those of `items`, or else dense: the position of the item among `items`.

    Args:
        path: the file.
        items: (n_items,) ids, row = item index.
        values: entries of a codebook.
        dense: whether ids may be dense; if not, the file may name other items too.

    Raises:
        InputError: the file is damaged, misses an item, names one too many, or a code does not fit.
    """
    rows = _load(path)
    keys = _keys(path, rows, items, dense=dense)
    first = rows[keys[0]]
    if not isinstance(first, list) or not first:
        raise InputError(f"{path}, entry {keys[0]!r}: {first!r} is no list of codes")
    prefixes = [_parse(path, keys[0], code)[0] for code in first]
    codes = np.empty((len(items), len(first)), dtype=np.uint32)
    for row, key in enumerate(keys):
        codes[row] = _row(path, key, rows[key], prefixes, values)
    label = re.sub(r"^index[_\-.]?", "", path.stem.rpartition(".")[2])
    return Table(label or "codes", codes)


def _load(path: Path) -> dict[str, Any]:
    def no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entries = dict(pairs)
        if len(entries) != len(pairs):
            names = [name for name, _ in pairs]
            doubled = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{path}: item {doubled!r} occurs twice")
        return entries

    try:
        rows = json.loads(path.read_text("utf-8"), object_pairs_hook=no_repeats)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is no JSON file: {error}") from None
    if not isinstance(rows, dict) or not rows:
        raise InputError(f"{path} holds no object of item id to codes")
    return rows


def _keys(path: Path, rows: dict[str, Any], items: NDArray[np.str_], *, dense: bool) -> list[str]:
    """The name that each item has in the file."""
    original = [str(item) for item in items]
    if all(item in rows for item in original):
        return original
    if not dense:
        absent = [item for item in original if item not in rows]
        raise InputError(
            f"{path} has no codes for {len(absent)} of {len(original)} new items, the first is {absent[0]!r}",
            hint="--set codes.files=[...] names the files with their codes, by original item ids",
        )
    if len(rows) != len(items):
        raise InputError(
            f"{path} has the codes of {len(rows)} items, but the sequences have {len(items)} items",
            hint="codes from files need the sequences that belong to them, with no item filtered away",
        )
    numbers = [str(row) for row in range(len(items))]
    missing = next((key for key in numbers if key not in rows), None)
    if missing is not None:
        item = original[int(missing)]
        raise InputError(f"{path} has no codes for item {missing} ({item!r}): neither of its ids is there")
    return numbers


def _row(path: Path, key: str, entry: Any, prefixes: list[str], values: int) -> list[int]:
    if not isinstance(entry, list) or len(entry) != len(prefixes):
        raise InputError(f"{path}, entry {key!r}: {entry!r} is no list of {len(prefixes)} codes")
    row = []
    for place, code in enumerate(entry):
        prefix, value = _parse(path, key, code)
        if prefix != prefixes[place]:
            raise InputError(
                f"{path}, entry {key!r}: code {code!r} stands where codes of other items begin with "
                f"'<{prefixes[place]}_'"
            )
        if value >= values:
            raise InputError(
                f"{path}, entry {key!r}: code {code!r} is not below codes.values = {values}",
                hint="set codes.values to the entries of the file's codebooks, a power of two",
            )
        row.append(value)
    return row


def _parse(path: Path, key: str, code: Any) -> tuple[str, int]:
    match = _CODE.fullmatch(code) if isinstance(code, str) else None
    if match is None:
        raise InputError(f"{path}, entry {key!r}: {code!r} is no code like '<a_170>'")
    return match[1], int(match[2])

"""Vectors that were made elsewhere: an array, and which of its rows is which item."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import Embedding
from clairo.embeddings.notes import Notes
from clairo.errors import InputError


def embed(vectors: Path, ids: Path, items: NDArray[np.str_], notes: Notes) -> Embedding:
    """The vectors of `items` out of a file, by id and never by position.

    An item that the file does not name, or whose vector is zero (how some releases mark a missing picture),
    is absent; the notes say how many are.

    Args:
        vectors: `.npy` of floating-point numbers, (rows, width).
        ids: names every row once: one id a line, or `original<TAB>row`.
        items: (n,) original item ids.
        notes: where facts and warnings go.

    Raises:
        InputError: a file is damaged, shapes or numbers do not fit, or none of `items` is named.
    """
    array = _array(vectors)
    row_of = _rows(ids, len(array), vectors)
    rows = np.array([row_of.get(str(item), -1) for item in items], dtype=np.int64)
    named = rows >= 0
    if not named.any():
        raise InputError(
            f"{ids} names none of the {len(items)} items: its first id is {next(iter(row_of), '')!r}, "
            f"the first item is {str(items[0])!r}",
            hint=f"embeddings.{notes.modality}.ids wants original item ids",
        )
    taken = np.zeros((len(items), array.shape[1]), dtype=np.float32)
    taken[named] = array[rows[named]]
    present = np.count_nonzero(taken, axis=1) > 0
    _note(notes, unnamed=items[~named], zero=items[named & ~present], unused=len(array) - int(named.sum()))
    return Embedding(items, taken, present)


def existing(path: Path | None, option: str) -> Path:
    """The file that `option` names.

    Raises:
        InputError: it is not set, or not there.
    """
    if path is None:
        raise InputError(f'encoder = "file" needs {option}')
    if not path.is_file():
        raise InputError(f"{option} = {str(path)!r} is no file")
    return path


def _note(notes: Notes, *, unnamed: NDArray[np.str_], zero: NDArray[np.str_], unused: int) -> None:
    notes.entries |= {"unnamed": len(unnamed), "zero": len(zero), "unused": unused}
    if len(unnamed):
        notes.warn(f"{len(unnamed)} items have no row in the file, the first is {str(unnamed[0])!r}")
    if len(zero):
        notes.warn(f"{len(zero)} items have a vector of zeros in the file, the first is {str(zero[0])!r}")


def _array(path: Path) -> NDArray[np.float32]:
    try:
        array: Any = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} is no array that numpy can read: {error}") from None
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path} holds several arrays", hint="save one array with numpy.save")
    if array.ndim != 2 or array.shape[1] == 0:
        raise InputError(f"{path} has shape {array.shape}, but (items, width) is wanted")
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"{path} holds {array.dtype}, but floating-point numbers are wanted")
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    bad = np.argwhere(~np.isfinite(single))
    if len(bad):
        row, column = (int(index) for index in bad[0])
        raise InputError(f"{path}: row {row}, column {column} is {array[row, column]}")
    return single


def _rows(path: Path, n_rows: int, vectors: Path) -> dict[str, int]:
    """Row of every id of the file."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text: {error}") from None
    rows: dict[str, int] = {}
    seen: dict[int, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        item, row = _entry(line, default=len(rows), where=f"{path}, line {number}")
        if item in rows:
            raise InputError(f"{path}, line {number}: item {item!r} was named before")
        if row in seen:
            raise InputError(f"{path}, line {number}: row {row} was named before, on line {seen[row]}")
        if row >= n_rows:
            raise InputError(f"{path}, line {number}: there is no row {row}; {vectors} has {n_rows} rows")
        rows[item] = row
        seen[row] = number
    if len(rows) != n_rows:
        raise InputError(f"{path} names {len(rows)} items, but {vectors} has {n_rows} rows")
    return rows


def _entry(line: str, *, default: int, where: str) -> tuple[str, int]:
    item, tab, row = line.strip().partition("\t")
    if not tab:
        return item, default
    if not (row.isascii() and row.isdigit()):
        raise InputError(f"{where}: {row!r} is no row number", hint="write original<TAB>row, rows from 0")
    return item, int(row)

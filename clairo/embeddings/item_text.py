"""The text of an item: its fields, written one after the other as sentences."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo.errors import InputError

_LABELS = {"price": "Price", "brand": "Brand", "categories": "Categories"}


def read(path: Path, ids: NDArray[np.str_], fields: Sequence[str]) -> list[str]:
    """The text of every one of `ids`, in their order; empty where an item has none.

    Args:
        path: `items.parquet` of the sequences; columns that it lacks count as empty.
        ids: original item ids.
        fields: columns that make the text, in the order in which they are written.

    Raises:
        InputError: the file cannot be read, or gives an item two rows.
    """
    found = rows(path, fields)
    return [compose(found.get(str(item), {}), fields) for item in ids]


def compose(values: Mapping[str, Any], fields: Iterable[str]) -> str:
    """The fields that hold something, as sentences: `Stratocaster. Price: $599. Brand: Fender.`."""
    sentences = (_sentence(field, values.get(field)) for field in fields)
    return " ".join(sentence for sentence in sentences if sentence)


def _sentence(field: str, value: Any) -> str:
    entries = [_words(entry) for entry in value] if isinstance(value, list) else [_words(value)]
    entries = [entry for entry in entries if entry]
    if field == "categories":
        entries = [", ".join(entries)] if entries else []
    if field in _LABELS:
        entries = [f"{_LABELS[field]}: {entry}" for entry in entries]
    return " ".join(entry if entry[-1] in ".!?" else f"{entry}." for entry in entries)


def _words(value: Any) -> str:
    """The value in words, with every run of white space made one blank."""
    return "" if value is None else " ".join(str(value).split())


def rows(path: Path, fields: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By item, those of `fields` that the table has.

    Raises:
        InputError: the file cannot be read, or gives an item two rows.
    """
    import polars as pl

    try:
        table = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint="run the sequences stage again") from None
    if "item" not in table.columns:
        raise InputError(f"{path} has no column `item`", hint="run the sequences stage again")
    table = table.select("item", *(field for field in fields if field in table.columns))
    found = {str(row.pop("item")): row for row in table.iter_rows(named=True)}
    if len(found) != table.height:
        doubled = table["item"].filter(table["item"].is_duplicated())[0]
        raise InputError(f"{path} has more than one row for item {doubled!r}")
    return found

"""What a JSON file of ready items says of them, in the columns that the reviews stage would have made."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clairo.errors import InputError
from clairo.sequences.ready import read_object

# Column: the keys under which releases have it, the first that holds something counts.
_TEXTS = {
    "title": ("title",),
    "brand": ("brand",),
    "price": ("price",),
    "description": ("description",),
    "text": ("text",),
}
_LISTS = {
    "features": ("features", "feature"),
    "categories": ("categories", "category"),
}
_IMAGES = ("image_urls", "imageURLHighRes", "imageURL", "image", "imUrl")  # all count, the best first
_COLUMNS = ("item", "title", "brand", "price", "features", "categories", "description", "image_urls", "text")


def read(path: Path | None, items: NDArray[np.str_], dense: NDArray[np.int64]) -> pl.DataFrame:
    """One row an item, in the order of `items`; null where nothing is said.

    Args:
        path: JSON of dense id to an object of fields; None: nothing is known of the items.
        items: (n_items,) original ids.
        dense: (n_items,) dense ids.

    Raises:
        InputError: the file is damaged, its `asin` is not the original id, or it names none of the items.
    """
    schema = {
        name: pl.List(pl.String()) if name in (*_LISTS, "image_urls") else pl.String() for name in _COLUMNS
    }
    table = read_object(path) if path else {}
    rows = [
        _row(path, str(number), original, table.get(str(number), {}))
        for number, original in zip(dense.tolist(), items.tolist(), strict=True)
    ]
    if path and not any(str(number) in table for number in dense.tolist()):
        raise InputError(f"{path} names none of the items by its dense id")
    return pl.DataFrame(rows, schema=schema)


def _row(path: Path | None, key: str, original: str, fields: object) -> dict[str, Any]:
    if not isinstance(fields, dict):
        raise InputError(f"{path}, entry {key!r}: an object of fields is expected")
    asin = fields.get("asin")
    # Without a file of item ids the dense id stands for the original, and has nothing to agree with.
    if asin is not None and original not in {key, asin}:
        raise InputError(
            f"{path}, entry {key!r} is item {asin!r}, but sequences.item_ids says {original!r}",
            hint="take both files from one release of the data",
        )
    texts = {name: " ".join(_words(fields, keys)) or None for name, keys in _TEXTS.items()}
    return {
        "item": original,
        **texts,
        **{name: _words(fields, keys) or None for name, keys in _LISTS.items()},
        "image_urls": list(dict.fromkeys(url for key in _IMAGES for url in _words(fields, (key,)))) or None,
    }


def _words(fields: dict[str, Any], keys: tuple[str, ...]) -> list[str]:
    """The words of a field that may be a string, a number or a list of these; any other holds none."""
    for key in keys:
        value = fields.get(key)
        entries = value if isinstance(value, list) else [value]
        words = [str(entry).strip() for entry in entries if isinstance(entry, str | int | float)]
        if any(words):
            return [word for word in words if word]
    return []

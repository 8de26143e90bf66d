"""Metadata of either release into `items.parquet`: one cleaned row for every item that has an event."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl

from clairo.reviews import text
from clairo.reviews.distinct import Distinct
from clairo.reviews.events import identifier
from clairo.reviews.parquet import sink
from clairo.reviews.rows import Format, Rows

FILE = "items.parquet"
SCHEMA = {
    "item": pl.String(),
    "title": pl.String(),
    "brand": pl.String(),
    "price": pl.String(),
    "features": pl.List(pl.String()),
    "categories": pl.List(pl.String()),
    "description": pl.String(),
    "image_urls": pl.List(pl.String()),
}

_TEXTS = ("title", "brand", "price")
_LISTS = ("category", "feature", "description")
# The first two in one release, the third in the other; the last, one text, in that of 2014.
_IMAGES = ("imageURLHighRes", "imageURL", "image", "imUrl")
_COUNTED = ("rank", "details")
# All columns are read as text, the json of a list included: a column of lists would make the one row that
# holds a string there an error of the whole file. That text serves to count dirt. It is not fit to be read
# back (polars leaves backslashes and keys as they are): the rows that become items are read from their lines.
_JSON = dict.fromkeys(("asin", *_TEXTS, *_LISTS, *_IMAGES, *_COUNTED), pl.String())
_LIST = r"^\["
_PADDING = 10_000  # items without metadata that are written at once


class _Wanted:
    """Which items to take from the metadata, each once: some, or all that it names."""

    def __init__(self, ids: set[str] | None) -> None:
        self.missing, self._all = set(ids or ()), ids is None
        self._taken = set[str]()

    def take(self, item: str) -> bool:
        """Whether the item is wanted and was not taken before; it is taken now."""
        if self._all:
            new = item not in self._taken
            self._taken.add(item)
            return new
        new = item in self.missing
        self.missing.discard(item)
        return new


def write(path: Path | None, wanted: set[str] | None, out: Path, *, skip: bool) -> dict[str, Any]:
    """Write `out / FILE`: the items of `wanted`, and return the counts for the report.

    Items come in the order of the file, the first row of each; then those that it lacks, sorted.

    Args:
        path: metadata as JSON lines, gzipped or plain; None for none at all.
        wanted: ids of the items that have an event; None for all items that the metadata name.
        out: folder to write to.
        skip: leave out and count broken lines instead of stopping at the first.

    Raises:
        InputError: a line is broken, or the file has no rows.
    """
    items, dirt, lacks, n = _Wanted(wanted), Dirt(), Counter[str](), 0
    rows = (
        Rows(path, Format(parse, "JSON object", {"asin": "no item id (asin)"}), skip=skip) if path else None
    )

    def frames() -> Iterator[pl.DataFrame]:
        nonlocal n
        for frame in rows.frames() if rows else ():
            dirt.count(frame)
            cleaned = _cleaned(frame, items, lacks)
            n += cleaned.height
            yield cleaned
        yield from _bare(sorted(items.missing))

    sink(frames(), SCHEMA, out / FILE)
    bare = len(items.missing)
    fields = {f"without_{name}": lacks[name] + bare for name in SCHEMA if name != "item"}
    return {
        "metadata": {**rows.counts(), **dirt.report()} if rows else None,
        "items": {"items": n + bare, "without_metadata": bare, **fields},
    }


def parse(lines: bytes) -> pl.DataFrame:
    """The columns of `_JSON` and each row's own `line`, of lines of JSON."""
    table = pl.scan_ndjson(lines, schema=_JSON).with_columns(identifier("asin").alias("asin")).collect()
    rows = [line for line in lines.split(b"\n") if line.strip()]
    return table.with_columns(pl.Series("line", rows, dtype=pl.Binary))


def _cleaned(frame: pl.DataFrame, wanted: _Wanted, lacks: Counter[str]) -> pl.DataFrame:
    """The rows of items that are still wanted, whose empty fields are counted."""
    items = []
    for asin, line in frame.select("asin", "line").iter_rows():
        if wanted.take(asin):
            items.append(
                {"item": asin, **clean(json.loads(line, strict=False, parse_int=str, parse_float=str))}
            )
    lacks.update(name for item in items for name, value in item.items() if value is None)
    return pl.DataFrame(items, schema=SCHEMA)


def _bare(items: list[str]) -> Iterator[pl.DataFrame]:
    for start in range(0, len(items), _PADDING):
        yield pl.DataFrame([{"item": item} for item in items[start : start + _PADDING]], schema=SCHEMA)


def clean(row: dict[str, Any]) -> dict[str, Any]:
    """The fields of an item out of a published row, None for every field of which nothing is left."""
    fields = {name: strings(row.get(name)) for name in (*_TEXTS, *_LISTS)}
    urls = text.listed(url for name in _IMAGES for url in strings(row.get(name)))
    return {
        "title": text.title(fields["title"]),
        "brand": text.brand(fields["brand"]),
        "price": text.price(fields["price"]),
        "features": text.listed(fields["feature"]) or None,
        "categories": text.listed(fields["category"]) or None,
        "description": text.joined(fields["description"]),
        "image_urls": [url for url in dict.fromkeys(urls) if url.startswith("http")] or None,
    }


def strings(value: object) -> list[str]:
    """The strings of a field, be it one string or a list; an object, or nothing, holds none."""
    if isinstance(value, list):
        return [entry for entry in value if isinstance(entry, str)]
    return [value] if isinstance(value, str) else []


class Dirt:
    """Counts every kind of dirt over all rows of the metadata, those of items without events included."""

    def __init__(self) -> None:
        self._asins = Distinct()
        self._counts = Counter[str]()

    def count(self, frame: pl.DataFrame) -> None:
        """Count the rows of `frame`, whose columns hold the published fields as text."""
        self._asins.add(frame["asin"])
        self._counts.update(
            frame.select(pl.when(kind).then(1).sum().alias(name) for name, kind in KINDS.items()).row(
                0, named=True
            )
        )

    def report(self) -> dict[str, int]:
        """Rows by kind of dirt."""
        repeated = self._asins.shown - self._asins.count()
        return {"repeated_asins": repeated, **{name: self._counts[name] for name in KINDS}}


def _any(columns: tuple[str, ...], pattern: str) -> pl.Expr:
    return pl.any_horizontal(pl.col(column).str.contains(pattern) for column in columns)


def _blank(*columns: str) -> pl.Expr:
    """Nothing there, or an empty text or list, or a list of these."""
    nothing = r'^(?:[\s\[\]",]|\\[nrt]|null)*$'
    return pl.all_horizontal(pl.col(column).str.contains(nothing).fill_null(value=True) for column in columns)


KINDS = {
    "without_title": _blank("title"),
    "without_description": _blank("description"),
    "without_image": _blank(*_IMAGES),
    "html_titles": pl.col("title").str.contains(text.MARKUP),
    "script_titles": pl.col("title").str.contains(text.SCRIPT),
    "html_descriptions": pl.col("description").str.contains(text.MARKUP),
    "odd_prices": ~_blank("price") & ~pl.col("price").str.contains(text.PRICE),
    "entities": _any((*_TEXTS, *_LISTS), text.ENTITY),
    "newlines_in_keys": pl.col("details").str.contains(r'(?:\n|\\n)[^"]*"\s*:'),
    "rank_as_list": pl.col("rank").str.contains(_LIST),
    "rank_as_text": pl.col("rank").str.contains(r"^[^\[]"),
    "texts_as_lists": _any(_TEXTS, r'^\[(?:"|\])'),
    "lists_as_texts": _any((*_LISTS, *_IMAGES[:3]), r"^[^\[]"),
}

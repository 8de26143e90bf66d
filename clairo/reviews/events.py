"""Reviews or ratings into `events.parquet`: who reviewed what, when, and how it was rated."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from clairo.errors import InputError
from clairo.log import logger
from clairo.reviews.distinct import Distinct
from clairo.reviews.lines import Lines
from clairo.reviews.parquet import sink
from clairo.reviews.rows import Format, Rows

FILE = "events.parquet"
SCHEMA = {
    "item": pl.String(),
    "user": pl.String(),
    "time": pl.Int64(),
    "rating": pl.Float32(),
    "row": pl.Int64(),
}

_NEEDED = {
    "item": "no item id (asin)",
    "user": "no user id (reviewerID)",
    "time": "no time in unix seconds (unixReviewTime)",
}
# Every column is read as text: polars then takes any type that a row may hold, where a typed column would
# make one odd row an error of the whole file.
_JSON = dict.fromkeys(("asin", "reviewerID", "unixReviewTime", "overall", "reviewText"), pl.String())

ITEM_FIRST = ("item", "user", "rating", "time")
USER_FIRST = ("user", "item", "rating", "time")
_ASIN = re.compile(rb"B[0-9A-Z]{9}|[0-9]{9}[0-9X]")
_SAMPLE = 1000


@dataclass
class Events:
    """What is known of the events after they were written.

    Attributes:
        items: ids of the items that have an event.
        report: counts of rows and of every kind of dirt.
    """

    items: set[str] = field(default_factory=set)
    report: dict[str, Any] = field(default_factory=dict)


def write(path: Path, out: Path, *, skip: bool) -> Events:
    """Write the events of `path` to `out / FILE`, in the order of the published file.

    Args:
        path: reviews as JSON lines, or ratings as comma-separated values (by the name), gzipped or plain.
        out: folder to write to.
        skip: leave out and count broken lines instead of stopping at the first.

    Raises:
        InputError: a line is broken, or the file has no usable row.
    """
    ratings = path.name.lower().endswith((".csv", ".csv.gz"))
    columns = column_order(path) if ratings else None
    rows = Rows(path, _ratings(columns) if columns else _reviews(), skip=skip)
    tally = _Tally()
    sink(tally.watch(rows.frames()), SCHEMA, out / FILE)
    if not tally.pairs.shown:
        raise InputError(f"{path} has no row with an item, a user and a time")
    order = list(columns) if columns else None
    return Events(tally.items, {**rows.counts(), **tally.counts(), "columns": order})


class _Tally:
    """Counts over the good rows, made while they pass."""

    def __init__(self) -> None:
        self.items: set[str] = set()
        self.users, self.pairs = Distinct(), Distinct()
        self.without_rating = self.without_text = 0

    def watch(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for frame in frames:
            self.items.update(frame["item"].unique())
            self.users.add(frame["user"])
            self.pairs.add(frame["user"], frame["item"])
            self.without_rating += frame["rating"].null_count()
            self.without_text += int((~frame["has_text"]).sum())
            yield frame.select(*SCHEMA)

    def counts(self) -> dict[str, int]:
        return {
            "without_rating": self.without_rating,
            "without_text": self.without_text,
            "repeated_pairs": self.pairs.shown - self.pairs.count(),
            "events": self.pairs.shown,
            "users": self.users.count(),
            "items": len(self.items),
        }


def _reviews() -> Format:
    text = pl.col("reviewText").str.contains(r"\S").fill_null(value=False)

    def parse(lines: bytes) -> pl.DataFrame:
        scan = pl.scan_ndjson(lines, schema=_JSON)
        return scan.select(
            *_typed("asin", "reviewerID", "unixReviewTime", "overall"), has_text=text
        ).collect()

    return Format(parse, "JSON object", _NEEDED)


def _ratings(columns: tuple[str, ...]) -> Format:
    fields = pl.col("line").str.strip_chars().str.split(",")

    def parse(lines: bytes) -> pl.DataFrame:
        frame = pl.DataFrame({"line": pl.Series(lines.split(b"\n"), dtype=pl.Binary).cast(pl.String)})
        frame = frame.filter(pl.col("line").str.contains(r"\S")).select(fields=fields)
        whole = pl.when(pl.col("fields").list.len() == len(columns)).then(pl.col("fields"))
        named = frame.select(
            whole.list.get(place, null_on_oob=True).alias(name) for place, name in enumerate(columns)
        )
        return named.select(*_typed("item", "user", "time", "rating"), has_text=pl.lit(value=True))

    return Format(parse, f"row of {','.join(columns)}", _NEEDED)


def _typed(item: str, user: str, time: str, rating: str) -> list[pl.Expr]:
    """The four fields of an event out of columns of text, null where they hold something else."""
    seconds = pl.col(time).cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    stars = pl.col(rating).cast(pl.Float32, strict=False)
    return [
        identifier(item).alias("item"),
        identifier(user).alias("user"),
        pl.when(seconds >= 0).then(seconds).alias("time"),
        pl.when(stars.is_finite()).then(stars).alias("rating"),
    ]


def identifier(column: str) -> pl.Expr:
    """The id in a column of text; null for a blank one, and for the text of a list or an object."""
    return pl.when(pl.col(column).str.contains(r"^\s*[^\s\[{]")).then(pl.col(column))


def column_order(path: Path) -> tuple[str, ...]:
    """`ITEM_FIRST` as the ratings of 2018 are published, or `USER_FIRST` as those of 2014 are.

    Told by the first rows: item ids have the form of an ASIN, user ids have not. Where that does not tell,
    the order of 2018 is taken and the log says so.
    """
    chunk = next(Lines(path, skip=True).chunks(), None)
    lines = chunk.text.split(b"\n", _SAMPLE)[:_SAMPLE] if chunk else []
    rows = [fields for line in lines if len(fields := line.strip().split(b",")) == len(ITEM_FIRST)]
    first, second = (sum(bool(_ASIN.fullmatch(row[place])) for row in rows) for place in (0, 1))
    if not rows or max(first, second) < 0.9 * len(rows) or min(first, second) > 0.1 * len(rows):
        logger.warning("%s: ids do not tell items from users; read as item,user,rating,time", path.name)
        return ITEM_FIRST
    return ITEM_FIRST if first > second else USER_FIRST

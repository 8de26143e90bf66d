"""Histories and tables of codes as people have them, made into the arrays that a vocabulary takes."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from clairo.errors import InputError
from clairo.vocabulary.arguments import integers

if TYPE_CHECKING:
    import numpy.typing as npt
    import polars as pl

    Items: TypeAlias = pl.DataFrame | Mapping[Any, Sequence[int]] | npt.ArrayLike


@dataclass(frozen=True, eq=False, repr=False)
class Corpus:
    """Items and histories, whose `arrays` are the three arguments that the vocabulary's methods begin with.

        corpus = Corpus.from_frame(events, items)
        vocabulary = Vocabulary.train(*corpus.arrays, size=40_000)
        tokens, offsets = vocabulary.encode(*corpus.arrays)

    The table of items is a polars frame (a row an item: its id, and whole numbers in the other columns, or
    one column of lists of them), a mapping of id to codes, or a bare table without ids, whose items are then
    called by their row numbers. Every refusal names the argument, the column and the row, counted from 0.

    Attributes:
        features: (n_items, n_categories) int64 codes, row = item.
        offsets: (n_histories + 1,) int64; history i is `events[offsets[i]:offsets[i + 1]]`.
        events: (n_events,) int64 rows of `features`.
        items: the id of each row; row numbers where the table has no ids.
        users: the user of each history; their numbers where nothing names them.
        names: a name for each category.
    """

    features: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    events: npt.NDArray[np.int64]
    items: Sequence[Any]
    users: Sequence[Any]
    names: list[str]

    @property
    def arrays(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Features, offsets and events."""
        return self.features, self.offsets, self.events

    def __repr__(self) -> str:
        n_items, n_categories = self.features.shape
        return (
            f"Corpus({n_items} items of {n_categories} categories, "
            f"{len(self.offsets) - 1} histories of {len(self.events)} events)"
        )

    @classmethod
    def from_histories(
        cls,
        histories: Iterable[Iterable[Any]] | pl.Series,
        items: Items,
        *,
        item: str = "item",
        categories: Sequence[str] | None = None,
    ) -> Self:
        """One history a row: a list of lists of item ids, or a polars column of lists (`frame["history"]`).

        Args:
            histories: item ids, oldest first; row numbers of `items` where that has no ids.
            items: the table of items.
            item: the column of `items` with the ids, for a frame.
            categories: the columns of `items` to take, in this order; all but the ids unless told.

        Raises:
            InputError: an id is unknown or missing, two items have one id, or codes are no whole numbers.
        """
        table = _Table.of(items, item, categories)
        rows = [_history(place, row) for place, row in enumerate(_listed("histories", histories))]
        offsets = np.zeros(len(rows) + 1, dtype=np.int64)
        np.cumsum([len(row) for row in rows], out=offsets[1:])

        def place(event: int) -> str:
            row = int(np.searchsorted(offsets, event, side="right")) - 1
            return f"histories[{row}][{event - offsets[row]}]"

        events = table.rows(list(chain.from_iterable(rows)), place)
        return cls(table.features, offsets, events, table.ids, range(len(rows)), table.names)

    @classmethod
    def from_frame(
        cls,
        events: pl.DataFrame,
        items: Items,
        *,
        user: str = "user",
        item: str = "item",
        time: str | None = "time",
        categories: Sequence[str] | None = None,
    ) -> Self:
        """One event a row of a polars frame, in any order.

        A user's events are put in the order of `time`, equal times in the order of the rows; users come in
        the order of their first rows.

        Args:
            events: the frame.
            items: the table of items.
            user: the column of `events` with the users' ids.
            item: the column with the items' ids, in `events` and, for a frame, in `items`.
            time: the column of `events` with anything that has an order; None: the rows are in order.
            categories: the columns of `items` to take, in this order; all but the ids unless told.

        Raises:
            InputError: a column is not there or has a gap, or as for `from_histories`.
        """
        _check_frame("events", events)
        table = _Table.of(items, item, categories)
        numbers: dict[Hashable, int] = {}
        owner = np.array(
            [numbers.setdefault(name, len(numbers)) for name in _column("events", events, user)],
            dtype=np.int64,
        )
        bought = table.rows(_column("events", events, item), lambda row: f'events["{item}"], row {row}')
        order = (
            np.argsort(owner, kind="stable") if time is None else np.lexsort((_ranks(events, time), owner))
        )
        offsets = np.zeros(len(numbers) + 1, dtype=np.int64)
        np.cumsum(np.bincount(owner, minlength=len(numbers)), out=offsets[1:])
        return cls(table.features, offsets, bought[order], table.ids, list(numbers), table.names)


@dataclass(frozen=True)
class _Table:
    """Codes and, where `named`, ids of items."""

    features: npt.NDArray[np.int64]
    ids: Sequence[Any]
    names: list[str]
    named: bool

    @classmethod
    def of(cls, items: Items, item: str, categories: Sequence[str] | None) -> _Table:
        if _of_polars(items):
            table = _from_frame(items, item, categories)
        elif categories is not None:
            raise InputError("categories: only a frame of items has columns to choose from")
        elif isinstance(items, Mapping):
            table = _from_mapping(items)
        else:
            features = integers("items", items, np.int64, 2)
            table = cls(features, range(len(features)), _numbered(features), named=False)
        return table

    def rows(self, ids: list[Any], place: Any) -> npt.NDArray[np.int64]:
        """The row of each id; `place(i)` says where id number i stands."""
        if not self.named:
            return self._checked(ids, place)
        row_of = {name: row for row, name in enumerate(self.ids)}
        try:
            return np.array([row_of[name] for name in ids], dtype=np.int64)
        except (KeyError, TypeError):
            i = next(i for i, name in enumerate(ids) if not isinstance(name, Hashable) or name not in row_of)
            looks = f"ids there look like {self.ids[0]!r}" if self.ids else "items has no rows"
            raise InputError(f"{place(i)}: {ids[i]!r} is not among the items", hint=looks) from None

    def _checked(self, ids: list[Any], place: Any) -> npt.NDArray[np.int64]:
        n = len(self.features)
        for i, row in enumerate(ids):
            if not isinstance(row, int | np.integer) or isinstance(row, bool) or not 0 <= row < n:
                raise InputError(f"{place(i)}: {row!r} is not a row of items (0..{n})")
        return np.array(ids, dtype=np.int64)


def _from_mapping(items: Mapping[Any, Sequence[int]]) -> _Table:
    width = None
    for name, codes in items.items():
        if not isinstance(codes, Iterable) or isinstance(codes, str):
            raise InputError(f"items[{name!r}]: {codes!r} is no row of codes")
        n = len(list(codes))
        if n != (width := n if width is None else width):
            raise InputError(f"items[{name!r}]: {n} codes, but the items before have {width}")
    features = integers("items", [list(codes) for codes in items.values()], np.int64, 2)
    return _Table(features, list(items), _numbered(features), named=True)


def _from_frame(items: Any, item: str, categories: Sequence[str] | None) -> _Table:
    _check_frame("items", items)
    ids = _column("items", items, item)
    first: dict[Hashable, int] = {}
    for row, name in enumerate(ids):
        if first.setdefault(name, row) != row:
            raise InputError(f'items["{item}"], row {row}: {name!r} stands in row {first[name]} already')
    wanted = [name for name in items.columns if name != item] if categories is None else list(categories)
    if not wanted:
        raise InputError(f'items: no column beside "{item}": an item needs at least one category')
    columns = [column for name in wanted for column in _codes(items, name)]
    features = np.ascontiguousarray(np.column_stack([values for _, values in columns]), dtype=np.int64)
    return _Table(features, ids, [name for name, _ in columns], named=True)


def _codes(items: Any, name: str) -> list[tuple[str, npt.NDArray[np.int64]]]:
    """One column of codes, or those of a column of lists, each with its name."""
    values = _column("items", items, name)
    if not items[name].dtype.is_nested():
        return [(name, _whole(name, values))]
    lengths = [len(row) for row in values]
    uneven = next((row for row, length in enumerate(lengths) if length != lengths[0]), None)
    if uneven is not None:
        raise InputError(
            f'items["{name}"], row {uneven}: {lengths[uneven]} codes, but row 0 has {lengths[0]}'
        )
    width = lengths[0] if lengths else 0
    return [(f"{name} {i + 1}", _whole(name, [row[i] for row in values])) for i in range(width)]


def _whole(name: str, values: list[Any]) -> npt.NDArray[np.int64]:
    for row, value in enumerate(values):
        if not isinstance(value, int) or isinstance(value, bool):
            raise InputError(
                f'items["{name}"], row {row}: {value!r} is not a whole number',
                hint="categories chooses the columns of codes, if the table has others",
            )
        if not 0 <= value < 2**63:
            raise InputError(f'items["{name}"], row {row}: {value} is not in 0..{2**63 - 1}')
    return np.array(values, dtype=np.int64)


def _numbered(features: npt.NDArray[np.int64]) -> list[str]:
    return [f"category {number}" for number in range(features.shape[1])]


def _of_polars(value: object) -> bool:
    """Told by the name of its package: polars is not loaded for those who do without."""
    return type(value).__module__.partition(".")[0] == "polars"


def _check_frame(argument: str, frame: object) -> None:
    kind = type(frame).__name__
    if not _of_polars(frame) or kind != "DataFrame":
        hints = {"LazyFrame": "collect it", "DataFrame": "polars.from_pandas makes one"}
        hint = hints.get(kind, "lists of item ids go into Corpus.from_histories")
        raise InputError(f"{argument}: must be a polars DataFrame, is {kind}", hint=hint)


def _column(argument: str, frame: Any, name: str) -> list[Any]:
    """The values of a column that has no gaps."""
    if name not in frame.columns:
        raise InputError(f'{argument}: no column "{name}"', hint=f"its columns: {', '.join(frame.columns)}")
    values: list[Any] = frame[name].to_list()
    if frame[name].null_count():
        row = next(row for row, value in enumerate(values) if value is None)
        raise InputError(f'{argument}["{name}"], row {row}: nothing stands there (null)')
    return values


def _ranks(events: Any, time: str) -> npt.NDArray[np.int64]:
    """Whole numbers in the order of a column of times."""
    if time not in events.columns:
        columns = ", ".join(events.columns)
        hint = f"time=None if the rows are in order; columns: {columns}"
        raise InputError(f'events: no column "{time}"', hint=hint)
    values = _column("events", events, time)
    odd = next((row for row, value in enumerate(values) if value != value), None)  # noqa: PLR0124 - NaN
    if odd is not None:
        raise InputError(f'events["{time}"], row {odd}: nan has no place in the order')
    ranks: npt.NDArray[np.int64] = events[time].rank("dense").to_numpy().astype(np.int64)
    return ranks


def _listed(argument: str, rows: Any) -> Iterable[Any]:
    if isinstance(rows, str | bytes | Mapping) or not isinstance(rows, Iterable):
        raise InputError(f"{argument}: must be rows of item ids, is {type(rows).__name__}")
    if _of_polars(rows) and type(rows).__name__ != "Series":
        raise InputError(
            f"{argument}: must be a column of lists, is a {type(rows).__name__}",
            hint='frame["history"] for a frame with a row a history, Corpus.from_frame for a row an event',
        )
    return rows.to_list() if _of_polars(rows) else rows  # type: ignore[attr-defined]


def _history(place: int, row: Any) -> list[Any]:
    if isinstance(row, str | bytes) or not isinstance(row, Iterable):
        raise InputError(f"histories[{place}]: {row!r} is no list of item ids")
    return list(row)

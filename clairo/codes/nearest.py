"""Disambiguation by content: of items on one row of codes, all but the first go to the nearest free row.

A row is as far from an item as what it stands for: the squared distances between the item's vectors and their
reconstructions, each group's divided by the variance of its vectors, summed. The search goes from row to row,
one changed code at a time, always on from the nearest row that it knows, until that one is free. Where every
code adds its own part to the distance (OPQ) no free row is nearer than the one it finds; where a code also
moves those after it (residual codes), a nearer one may hide behind rows that are farther.

Groups that an item lacks keep their mark. An item without any vector has no nearest row: it stays and is
numbered, as is one that only random codes tell of.
"""

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from clairo import log
from clairo.codes.quantizer import Quantizer
from clairo.errors import InputError

Row = tuple[int, ...]
Rows = Iterator[tuple[float, Row]]
_KEPT = 8  # rows whose reconstructions are kept for the next item: it often searches from the same one


@dataclass(frozen=True)
class Content:
    """What one group says of the items.

    Attributes:
        quantizer: of the group.
        vectors: (n, width), row = item.
        present: (n,) bool, whether the item has a vector.
        first: column of the group's first code.
    """

    quantizer: Quantizer
    vectors: NDArray[np.float32]
    present: NDArray[np.bool_]
    first: int

    @property
    def columns(self) -> slice:
        """Columns of the group's codes."""
        return slice(self.first, self.first + self.quantizer.books)


def moved(features: NDArray[np.uint32], contents: Sequence[Content], fixed: int = 0) -> NDArray[np.uint32]:
    """`features` with no two items on a row, but for those that cannot be moved.

    Rows are taken in their order, and on each of them the items in theirs, so the result depends on nothing
    else.

    Args:
        features: (n, n_categories) codes of all items, without disambiguation.
        contents: the groups that have a quantizer.
        fixed: the first items, so many of them, stay where they are.

    Raises:
        InputError: no row is free for an item.
    """
    movable = np.logical_or.reduce([content.present for content in contents])
    _, first, group = np.unique(features, axis=0, return_index=True, return_inverse=True)
    items = np.arange(len(features))
    wanted = np.flatnonzero((items != first[group.ravel()]) & movable & (items >= fixed))
    wanted = wanted[np.argsort(group.ravel()[wanted], kind="stable")]
    made, taken = features.copy(), {tuple(row) for row in features.tolist()}
    parts = [_Part(content) for content in contents]
    twins = [_twin(features, contents, item) for item in wanted.tolist()]
    left, searches = Counter(twins), dict[bytes, _Search]()
    with log.step("move items to free rows", total=len(wanted)) as step:
        for done, (item, twin) in enumerate(zip(wanted.tolist(), twins, strict=True)):
            search = searches.pop(twin, None) or _Search(item, tuple(features[item].tolist()), parts)
            row = search.nearest_free(taken)
            if row is None:
                raise _full(contents, len(wanted) - done)
            left[twin] -= 1
            if left[twin]:
                searches[twin] = search
            taken.add(row)
            made[item] = row
            step.advance()
    return made


def _twin(features: NDArray[np.uint32], contents: Sequence[Content], item: int) -> bytes:
    """The same for items with equal codes and vectors, for which one search will do."""
    vectors = (content.vectors[item].tobytes() for content in contents)
    return hashlib.sha256(b"".join([features[item].tobytes(), *vectors])).digest()


class _Part:
    """Distances within one group.

    Attributes:
        places: column and code that each distance but the first is of.
    """

    def __init__(self, content: Content) -> None:
        self.content = content
        vectors = content.vectors[content.present].astype(np.float64)
        self._variance = (
            float(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1).mean()) if len(vectors) else 0.0
        )
        codes, first = range(content.quantizer.values), content.first
        columns = range(first, first + content.quantizer.books)
        self.places = [(column, code) for column in columns for code in codes]
        self._reconstructions: Callable[[Row], NDArray[np.float32]] = lru_cache(_KEPT)(self._reconstruct)

    def distances(self, item: int, codes: Row) -> NDArray[np.float64]:
        """From the item to `codes` and to all rows that differ from it in one code, by book and value.

        (1 + books * values,); those that differ in nothing are there again.
        """
        missed = self._reconstructions(codes) - self.content.vectors[item]
        squares: NDArray[np.float64] = np.einsum("rw,rw->r", missed, missed, dtype=np.float64)
        return squares / (self._variance or 1.0)

    def _reconstruct(self, codes: Row) -> NDArray[np.float32]:
        quantizer = self.content.quantizer
        rows = np.tile(np.array(codes, dtype=np.uint32), (1 + quantizer.books * quantizer.values, 1))
        for book in range(quantizer.books):
            start = 1 + book * quantizer.values
            rows[start : start + quantizer.values, book] = np.arange(quantizer.values)
        return quantizer.decode(rows)


class _Search:
    """Rows from one item outwards; what is passed once is never looked at again.

    Taken rows stay taken, so an item with the same vectors goes on where the one before it has stopped.
    """

    def __init__(self, item: int, start: Row, parts: Sequence[_Part]) -> None:
        self._item = item
        self._parts = [part for part in parts if part.content.present[item]]
        self._places = [place for part in self._parts for place in part.places]
        self._passed: set[Row] = set()
        self._waiting: list[tuple[float, Row, int, Rows]] = []
        self._wait(iter([(0.0, start)]), 0)
        self._sources = 1

    def nearest_free(self, taken: set[Row]) -> Row | None:
        """The nearest row that is not taken; None if all are."""
        while self._waiting:
            _, row, number, source = self._waiting[0]
            if row not in taken:
                return row
            heapq.heappop(self._waiting)
            self._wait(source, number)
            if row not in self._passed:
                self._passed.add(row)
                self._wait(self._around(row), self._sources)
                self._sources += 1
        return None

    def _wait(self, source: Rows, number: int) -> None:
        """Queue the next row of a source; its others are no nearer."""
        for distance, row in source:
            if row not in self._passed:
                heapq.heappush(self._waiting, (distance, row, number, source))
                return

    def _around(self, row: Row) -> Rows:
        """The rows that differ from `row` in one code, nearest first."""
        found = [part.distances(self._item, row[part.content.columns]) for part in self._parts]
        here = sum(float(distances[0]) for distances in found)
        every = np.concatenate([here - distances[0] + distances[1:] for distances in found])
        for place in np.argsort(every, kind="stable"):
            column, code = self._places[place]
            yield float(every[place]), (*row[:column], code, *row[column + 1 :])


def _full(contents: Sequence[Content], left: int) -> InputError:
    rooms = " and ".join(f"{part.quantizer.books} codes below {part.quantizer.values}" for part in contents)
    return InputError(
        f'codes.disambiguation = "nearest": all rows of {rooms} are taken, and {left} items still '
        "share theirs with another",
        hint='set more codes.books or codes.values, or codes.disambiguation = "sequential"',
    )

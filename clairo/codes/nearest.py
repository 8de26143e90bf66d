"""Disambiguation by content: of items on one row of codes, all but the first go to the nearest free row.

A row is as far from an item as what it stands for: the squared distances between the item's vectors and their
reconstructions, each group's divided by the variance of its vectors, summed. The search goes from row to row,
one changed code at a time, always on from the nearest row that it knows, until that one is free. Where every
code adds its own part to the distance (OPQ) no free row is nearer than the one it finds; where a code also
moves those after it (residual codes), a nearer one may hide behind rows that are farther.

Groups that an item lacks keep their mark. An item without any vector has no nearest row: it stays and is
numbered, as is one that only random codes tell of.
"""

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from clairo import log
from clairo.codes.quantizer import Quantizer
from clairo.errors import InputError

Row = tuple[int, ...]
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
    with log.step("move items to free rows", total=len(wanted)) as step:
        for done, item in enumerate(wanted.tolist()):
            row = _nearest_free(item, tuple(features[item].tolist()), parts, taken)
            if row is None:
                raise _full(contents, len(wanted) - done)
            taken.add(row)
            made[item] = row
            step.advance()
    return made


class _Part:
    """Distances within one group."""

    def __init__(self, content: Content) -> None:
        self.content = content
        vectors = content.vectors[content.present].astype(np.float64)
        self._variance = (
            float(((vectors - vectors.mean(axis=0)) ** 2).sum(axis=1).mean()) if len(vectors) else 0.0
        )
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


def _nearest_free(item: int, start: Row, parts: Sequence[_Part], taken: set[Row]) -> Row | None:
    parts = [part for part in parts if part.content.present[item]]
    waiting: list[tuple[float, Row]] = [(0.0, start)]
    known = {start}
    while waiting:
        _, row = heapq.heappop(waiting)
        if row not in taken:
            return row
        found = [part.distances(item, row[part.content.columns]) for part in parts]
        here = sum(float(distances[0]) for distances in found)
        for part, distances in zip(parts, found, strict=True):
            others = here - float(distances[0])
            values = part.content.quantizer.values
            for place, distance in enumerate(distances[1:].tolist()):
                column = part.content.first + place // values
                near = (*row[:column], place % values, *row[column + 1 :])
                if near not in known:
                    known.add(near)
                    heapq.heappush(waiting, (others + distance, near))
    return None


def _full(contents: Sequence[Content], left: int) -> InputError:
    rooms = " and ".join(f"{part.quantizer.books} codes below {part.quantizer.values}" for part in contents)
    return InputError(
        f'codes.disambiguation = "nearest": all rows of {rooms} are taken, and {left} items still '
        "share theirs with another",
        hint='set more codes.books or codes.values, or codes.disambiguation = "sequential"',
    )

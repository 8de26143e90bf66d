"""Vectors of items, keyed by item id."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import npz
from clairo.errors import InputError


@dataclass(frozen=True)
class Embedding:
    """One modality's vectors, a row an item.

    Attributes:
        ids: original item ids, (n,) str.
        vectors: (n, width) float32; rows of absent items are zero and mean nothing.
        present: (n,) bool, whether the item has this modality.
    """

    ids: NDArray[np.str_]
    vectors: NDArray[np.float32]
    present: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.ids)
        if self.vectors.ndim != 2 or len(self.vectors) != n or self.present.shape != (n,):
            raise InputError(
                f"an embedding of {n} ids has vectors of shape {self.vectors.shape} "
                f"and a mask of shape {self.present.shape}"
            )

    @property
    def width(self) -> int:
        """Width of a vector."""
        return int(self.vectors.shape[1])

    def aligned(self, ids: NDArray[np.str_]) -> Self:
        """The same vectors with rows in the order of `ids`.

        Raises:
            InputError: an id occurs twice here, or one of `ids` is missing.
        """
        rows = {str(item): row for row, item in enumerate(self.ids)}
        if len(rows) != len(self.ids):
            values, counts = np.unique(self.ids, return_counts=True)
            raise InputError(f"item {values[counts > 1][0]!r} has more than one vector")
        missing = [str(item) for item in ids if str(item) not in rows]
        if missing:
            raise InputError(
                f"{len(missing)} items have no row among the vectors, the first is {missing[0]!r}"
            )
        order = np.array([rows[str(item)] for item in ids], dtype=np.int64)
        return type(self)(self.ids[order], self.vectors[order], self.present[order])

    def extended(self, new: Self) -> Self:
        """These rows, then those of `new`.

        Raises:
            InputError: the widths differ.
        """
        if new.width != self.width:
            raise InputError(f"vectors of new items are {new.width} wide, those of the run {self.width}")
        parts = zip((self.ids, self.vectors, self.present), (new.ids, new.vectors, new.present), strict=True)
        return type(self)(*(np.concatenate(part) for part in parts))

    def since(self, row: int) -> Self:
        """The rows from `row` on."""
        return type(self)(self.ids[row:], self.vectors[row:], self.present[row:])

    @classmethod
    def absent(cls, ids: NDArray[np.str_], width: int) -> Self:
        """No vector for any of `ids`."""
        return cls(ids, np.zeros((len(ids), width), dtype=np.float32), np.zeros(len(ids), dtype=np.bool_))

    def save(self, path: Path) -> None:
        """Write one `.npz`."""
        npz.write(path, {"ids": self.ids, "vectors": self.vectors, "present": self.present})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read one `.npz`."""
        return cls(**npz.read(path, ("ids", "vectors", "present")))

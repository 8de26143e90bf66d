"""What is seen of an item before anyone bought it: how crowded it stands, whether another has the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from clairo import log
from clairo.artifacts import Embedding, npz

Array = NDArray[np.float64]
FEATURES = ("distance", "duplicate", "alone")
"""Of an item and modality: log of the mean squared distance to the nearest items, standardised over training
items; 1 if another item has the same vector; share of the other modalities that the item lacks."""

NEAREST = 10
_SAME = 1e-4  # of the mean squared length: what the same picture, stored twice, differs by
_MOST = 20_000  # training items that distances are taken to
_ROWS = 1000  # at once


@dataclass(frozen=True)
class Neighbours:
    """Training items of each modality, to which the distances of items old and new are taken.

    Attributes:
        ids: for each modality, (r,) str.
        vectors: for each modality, (r, width) float32 shares.
        centre: for each modality, mean of the logarithms over training items.
        spread: for each modality, their standard deviation.
    """

    ids: Mapping[str, NDArray[np.str_]]
    vectors: Mapping[str, NDArray[np.float32]]
    centre: Mapping[str, float]
    spread: Mapping[str, float]

    @classmethod
    def of(
        cls, shares: Mapping[str, Embedding], training: NDArray[np.bool_], generator: np.random.Generator
    ) -> Self:
        """Training items that have a modality, or a random sample if they are many."""
        ids, vectors, centre, spread = {}, {}, {}, {}
        for name, share in shares.items():
            rows = np.flatnonzero(share.present & training)
            if len(rows) > _MOST:
                rows = np.sort(generator.choice(rows, _MOST, replace=False))
            ids[name], vectors[name] = share.ids[rows], share.vectors[rows]
            logs, _ = _distances(share.ids[rows], vectors[name], ids[name], vectors[name], name)
            centre[name], spread[name] = float(logs.mean()), float(max(logs.std(), 1e-6))
        return cls(ids, vectors, centre, spread)

    def features(self, shares: Mapping[str, Embedding]) -> Array:
        """Features of the items of `shares`, (n, modalities, len(FEATURES)); 0 where a modality is absent."""
        present = np.column_stack([shares[name].present for name in self.ids])
        found = np.zeros((*present.shape, len(FEATURES)))
        for place, name in enumerate(self.ids):
            here = np.flatnonzero(present[:, place])
            share = shares[name]
            logs, same = _distances(
                share.ids[here], share.vectors[here], self.ids[name], self.vectors[name], name
            )
            found[here, place, 0] = np.clip((logs - self.centre[name]) / self.spread[name], -3, 3)
            found[here, place, 1] = same
        lacking = (~present).sum(axis=1) / max(present.shape[1] - 1, 1)
        found[:, :, 2] = np.where(present, lacking[:, None], 0)
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `read` reads, by name."""
        fields = {key: getattr(self, key) for key in _FIELDS}
        return {
            f"{name}.{key}": np.asarray(values[name]) for key, values in fields.items() for name in self.ids
        }

    @classmethod
    def read(cls, path: Path, names: tuple[str, ...]) -> Self:
        """What `arrays` gave, of the modalities `names`, out of the file at `path`."""
        fields = {key: npz.read(path, tuple(f"{name}.{key}" for name in names)) for key in _FIELDS}
        ids, vectors, centre, spread = (
            {name: values[f"{name}.{key}"] for name in names} for key, values in fields.items()
        )
        return cls(
            ids,
            vectors,
            {name: float(value) for name, value in centre.items()},
            {name: float(value) for name, value in spread.items()},
        )


_FIELDS = ("ids", "vectors", "centre", "spread")


def _distances(
    ids: NDArray[np.str_],
    vectors: NDArray[np.float32],
    known_ids: NDArray[np.str_],
    known: NDArray[np.float32],
    name: str,
) -> tuple[Array, NDArray[np.bool_]]:
    """Log of the mean squared distance to the nearest other known items, and whether one is the same."""
    squares = (known.astype(np.float64) ** 2).sum(axis=1)
    unit = float(squares.mean()) or 1.0
    row_of = {str(item): row for row, item in enumerate(known_ids)}
    own = np.array([row_of.get(str(item), -1) for item in ids], dtype=np.int64)
    nearest = min(NEAREST, len(known) - 1)
    logs, same = np.zeros(len(ids)), np.zeros(len(ids), dtype=np.bool_)
    if nearest < 1:
        return logs, same
    with log.step(f"neighbours in {name}", total=len(ids)) as step:
        for start in range(0, len(ids), _ROWS):
            rows = slice(start, start + _ROWS)
            gaps = (
                squares
                - 2 * (vectors[rows] @ known.T)
                + (vectors[rows].astype(np.float64) ** 2).sum(1)[:, None]
            )
            mine = np.flatnonzero(own[rows] >= 0)
            gaps[mine, own[rows][mine]] = np.inf
            near = np.partition(gaps, nearest - 1, axis=1)[:, :nearest]
            logs[rows] = np.log(np.maximum(near.mean(axis=1) / unit, _SAME))
            same[rows] = near.min(axis=1) / unit < _SAME
            step.advance(len(near))
    return logs, same

"""Learned weights: how much each modality of an item counts in the concatenation.

For item i and modality m, with `logit[i, m] = base[m] + by_category[c(i), m] + features[i, m] . slopes[m]`,

    weight[i, m] = number of modalities * softmax over m of logit[i, m]

and the share is multiplied by the root of its weight, so that weights are what squared distances are made of,
and all are 1 where nothing was learned. `modality` learns `base` alone, `category` and `item` one term more.
How they are learned stands in `clairo.fused.learning`, what is seen of an item in `clairo.fused.neighbours`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import Embedding, npz
from clairo.fused.neighbours import FEATURES, Neighbours

Array = NDArray[np.float64]
FILE = "weights.npz"
_ARRAYS = ("modalities", "base", "categories", "by_category", "level", "slopes")


@dataclass(frozen=True)
class Confidence:
    """Learned weights of the modalities.

    Attributes:
        modalities: those that have weights, m of them.
        base: (m,), logits of an item of which nothing else is known.
        categories: (c,) str, categories that have logits of their own.
        by_category: (c, m), what is added for an item of a category.
        level: entry of an item's list of categories that names its category, -1 if it has no influence.
        slopes: (m, len(FEATURES)), what one unit of a feature adds.
        neighbours: what the features are taken from; None if they have no influence.
    """

    modalities: tuple[str, ...]
    base: Array
    categories: NDArray[np.str_]
    by_category: Array
    level: int
    slopes: Array
    neighbours: Neighbours | None = None

    def weights(self, shares: Mapping[str, Embedding], categories: NDArray[np.str_] | None = None) -> Array:
        """Weights of the items, (n, m), from the shares of all modalities and the items' categories."""
        n = len(next(iter(shares.values())).ids)
        logits = np.tile(self.base, (n, 1))
        if self.level >= 0 and categories is not None:
            logits += self._of_categories(categories)
        if self.neighbours is not None:
            logits += (self.neighbours.features(shares) * self.slopes).sum(axis=2)
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        weights: Array = len(self.modalities) * raised / raised.sum(axis=1, keepdims=True)
        return weights

    def factors(
        self, shares: Mapping[str, Embedding], categories: NDArray[np.str_] | None = None
    ) -> dict[str, Array]:
        """What each modality's share is multiplied by, (n,)."""
        return dict(zip(self.modalities, np.sqrt(self.weights(shares, categories)).T, strict=True))

    def _of_categories(self, categories: NDArray[np.str_]) -> Array:
        rows = place(self.categories, categories)
        return np.vstack([self.by_category, np.zeros(len(self.modalities))])[rows]

    def save(self, folder: Path) -> None:
        """Write `weights.npz` into `folder`."""
        arrays: dict[str, Any] = {name: np.asarray(getattr(self, name)) for name in _ARRAYS}
        seen = {} if self.neighbours is None else self.neighbours.arrays()
        npz.write(folder / FILE, {**arrays, "sees_neighbours": np.array(bool(seen)), **seen})

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read `weights.npz` of `folder`; None if there is none.

        Raises:
            InputError: it is damaged.
        """
        path = folder / FILE
        if not path.is_file():
            return None
        arrays = npz.read(path, (*_ARRAYS, "sees_neighbours"))
        names = tuple(str(name) for name in arrays["modalities"])
        return cls(
            names,
            arrays["base"],
            arrays["categories"],
            arrays["by_category"],
            int(arrays["level"]),
            arrays["slopes"],
            Neighbours.read(path, names) if arrays["sees_neighbours"] else None,
        )

    @classmethod
    def equal(cls, modalities: tuple[str, ...]) -> Self:
        """Weights of 1."""
        m = len(modalities)
        none = np.zeros((0, m))
        return cls(modalities, np.zeros(m), np.zeros(0, dtype="U1"), none, -1, np.zeros((m, len(FEATURES))))


def place(known: NDArray[np.str_], names: NDArray[np.str_]) -> NDArray[np.int64]:
    """The row of each of `names` in `known`, -1 where it is not there."""
    row_of = {str(name): row for row, name in enumerate(known)}
    return np.array([row_of.get(str(name), -1) for name in names], dtype=np.int64)

"""Items as rows of codes: the features that tokens are made of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import npz
from clairo.errors import InputError

FILE = "codes.npz"


@dataclass(frozen=True)
class Codes:
    """The codes of every item, the last of them telling apart the items that share all others.

    Attributes:
        ids: original item ids, (n,) str.
        features: (n, n_categories) uint32, row = item index.
        names: a name for each category, such as `text 1` or `disambiguation`.
        cardinalities: for each category, one more than the largest value that it may take.
    """

    ids: NDArray[np.str_]
    features: NDArray[np.uint32]
    names: list[str]
    cardinalities: list[int]

    def __post_init__(self) -> None:
        if self.features.shape != (len(self.ids), len(self.names)) or len(self.names) != len(
            self.cardinalities
        ):
            raise InputError(
                f"codes of {len(self.ids)} items and {len(self.names)} categories "
                f"have features of shape {self.features.shape}"
            )

    def save(self, folder: Path) -> None:
        """Write `codes.npz` into `folder`."""
        arrays = {
            "ids": self.ids,
            "features": self.features,
            "names": np.array(self.names, dtype=np.str_),
            "cardinalities": np.array(self.cardinalities, dtype=np.int64),
        }
        npz.write(folder / FILE, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `codes.npz` of `folder`."""
        arrays = npz.read(folder / FILE, ("ids", "features", "names", "cardinalities"))
        names = [str(name) for name in arrays["names"]]
        return cls(arrays["ids"], arrays["features"], names, [int(size) for size in arrays["cardinalities"]])

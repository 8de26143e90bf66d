"""What every quantizer can do: turn vectors into rows of codes and rows of codes back into vectors."""

from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

_STILL = 1e-11  # of squared lengths: what rotating equal vectors in single precision makes them differ by


class Quantizer(Protocol):
    """A trained quantizer. Each has a classmethod `train` of its own, whose keywords are its options.

    Attributes:
        width: of the vectors.
        books: codes of a vector.
        values: entries of each codebook; codes are below it.
    """

    width: int
    books: int
    values: int

    def encode(self, vectors: NDArray[np.float32]) -> NDArray[np.uint32]:
        """Codes (n, books) of vectors (n, width)."""

    def decode(self, codes: NDArray[np.uint32]) -> NDArray[np.float32]:
        """The vectors (n, width) that codes (n, books) stand for."""

    def book_errors(self, vectors: NDArray[np.float32], codes: NDArray[np.uint32]) -> list[float]:
        """Squared error relative to the variance, by codebook: 0 is exact, 1 no better than the mean.

        Of slices of the vector, it is the error of the slice that the codebook sees; of residual codes, what
        is left of the whole vector after the codebooks up to this one.
        """

    def save(self, path: Path) -> None:
        """Write it."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: the file is missing or damaged.
        """


def relative_error(vectors: NDArray[np.float32], decoded: NDArray[np.float32]) -> float:
    """Squared error of `decoded` relative to the variance of `vectors`, both (n, width)."""
    exact = vectors.astype(np.float64)
    lost, whole = ((exact - decoded) ** 2).sum(), ((exact - exact.mean(axis=0)) ** 2).sum()
    return lost_share(float(lost), float(whole), float((exact**2).sum()))


def lost_share(lost: float, whole: float, length: float) -> float:
    """`lost` as a share of the variance `whole`; 0 where vectors of squared `length` do not vary at all."""
    return lost / whole if whole > _STILL * length else 0.0

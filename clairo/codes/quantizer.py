"""What every quantizer can do: turn vectors into rows of codes and rows of codes back into vectors."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from clairo.errors import InputError

_Q = TypeVar("_Q")
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


def write_index(index: Any, path: Path) -> None:
    """Write a FAISS index file without vectors (`faiss.read_index`, `sa_encode`)."""
    import faiss

    faiss.write_index(index, str(path))


def read_index(path: Path, what: str, wrap: Callable[[Any], _Q]) -> _Q:
    """The quantizer that `wrap` makes of the index that `write_index` wrote.

    Raises:
        InputError: the file is missing or damaged, or holds an index of another kind.
    """
    import faiss

    try:
        return wrap(faiss.read_index(str(path)))
    except (RuntimeError, AttributeError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(f"{path} is no {what} quantizer that FAISS can read: {reason}") from None


def packed(codes: NDArray[np.uint32], values: int) -> NDArray[np.uint8]:
    """Codes below `values`, a power of two, as FAISS stores them."""
    import faiss

    bits = values.bit_length() - 1
    return np.asarray(faiss.pack_bitstrings(np.ascontiguousarray(codes, dtype=np.int32), bits))


def unpacked(stored: NDArray[np.uint8], books: int, values: int) -> NDArray[np.uint32]:
    """The codes (n, books) that FAISS stored."""
    import faiss

    return np.asarray(faiss.unpack_bitstrings(stored, books, values.bit_length() - 1), dtype=np.uint32)


def set_clustering(parameters: Any, seed: int) -> None:
    """Seed FAISS's k-means, and keep it from warning of few points past Python's logging.

    It warns below 39 points a centroid; the report counts the values that are used instead.
    """
    parameters.seed = seed % 2**31
    parameters.min_points_per_centroid = 1

"""What quantizers that FAISS trains have in common: an index without vectors that encodes and decodes."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from clairo.errors import InputError
from clairo.threads import one_of_faiss


class FaissQuantizer(ABC):
    """A trained FAISS index as a quantizer.

    Attributes:
        kind: what errors call it.
        width: of the vectors.
        books: codes of a vector.
        values: entries of each codebook.
    """

    kind: ClassVar[str]

    def __init__(self, index: Any, *, books: int, values: int) -> None:
        self._index = index
        self.width, self.books, self.values = int(index.d), books, values

    def encode(self, vectors: NDArray[np.float32]) -> NDArray[np.uint32]:
        """Codes (n, books) of vectors (n, width): of every codebook the entry nearest to what it sees."""
        if not len(vectors):
            return np.zeros((0, self.books), dtype=np.uint32)
        with one_of_faiss():
            return unpacked(self._index.sa_encode(np.ascontiguousarray(vectors)), self.books, self.values)

    def decode(self, codes: NDArray[np.uint32]) -> NDArray[np.float32]:
        """The vectors (n, width) that the entries of codes (n, books) make together."""
        if not len(codes):
            return np.zeros((0, self.width), dtype=np.float32)
        with one_of_faiss():
            return np.asarray(self._index.sa_decode(packed(codes, self.values)))

    def save(self, path: Path) -> None:
        """Write it as a FAISS index file (`faiss.read_index`, `sa_encode`)."""
        import faiss

        faiss.write_index(self._index, str(path))

    @classmethod
    @abstractmethod
    def wrap(cls, index: Any) -> Self:
        """The quantizer that is this index."""

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: the file is missing or damaged, or holds an index of another kind.
        """
        import faiss

        try:
            return cls.wrap(faiss.read_index(str(path)))
        except (RuntimeError, AttributeError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(f"{path} is no {cls.kind} quantizer that FAISS can read: {reason}") from None


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

"""Optimized product quantization (Ge et al., CVPR 2013) by FAISS: the standard index `OPQ<M>,PQ<M>x<bits>`.

The report's `OPQ4,IVF1,PQ4x8` is this with one coarse centroid, the mean, which PCA has taken away before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from clairo.errors import InputError

_POINTS_FOR_A_CENTROID = (
    1  # FAISS warns below 39, past Python's logging; the report counts used values instead
)


@dataclass(frozen=True)
class Errors:
    """Squared error relative to the variance: 0 is exact, 1 no better than the mean.

    Attributes:
        overall: of whole vectors.
        books: of the slice that each codebook sees.
    """

    overall: float
    books: list[float]


class Quantizer:
    """A rotation, and a codebook for each slice of the rotated vector."""

    def __init__(self, index: Any) -> None:
        """Wrap a trained `faiss.IndexPreTransform` of an OPQ matrix and an `IndexPQ`."""
        import faiss

        self._index = index
        codec: Any = faiss.downcast_index(index.index)
        self._pq = codec.pq
        self.width = int(index.d)
        self.books = int(self._pq.M)
        self.values = int(self._pq.ksub)

    @classmethod
    def train(
        cls, vectors: NDArray[np.float32], *, books: int, values: int, iterations: int, seed: int
    ) -> Self:
        """Learn rotation and codebooks from `vectors` (n, width), n at least `values`.

        A width that `books` does not divide is filled up with zeros to one that it does, so nothing is lost.
        One thread, because with few values FAISS finds other codebooks with more of them.

        Args:
            vectors: what to learn from.
            books: codebooks.
            values: entries of each, a power of two.
            iterations: rounds of rotating and clustering.
            seed: for k-means.
        """
        import faiss

        width, bits = vectors.shape[1], values.bit_length() - 1
        filled = -(-width // books) * books
        rotation = faiss.OPQMatrix(width, books, filled)
        rotation.niter = iterations
        inner = faiss.ProductQuantizer(filled, books, bits)  # trained along with the rotation, then dropped
        rotation.pq = inner
        codec = faiss.IndexPQ(filled, books, bits)
        for pq in (inner, codec.pq):
            pq.cp.seed = seed % 2**31
            pq.cp.min_points_per_centroid = _POINTS_FOR_A_CENTROID
        index = faiss.IndexPreTransform(rotation, codec)
        with _one_thread():
            index.train(np.ascontiguousarray(vectors))
        rotation.pq = None
        return cls(index)

    def encode(self, vectors: NDArray[np.float32]) -> NDArray[np.uint32]:
        """Codes of vectors: the nearest entry of every codebook, (n, books) below `values`."""
        import faiss

        if not len(vectors):
            return np.zeros((0, self.books), dtype=np.uint32)
        with _one_thread():
            packed = self._index.sa_encode(np.ascontiguousarray(vectors))
        codes = faiss.unpack_bitstrings(packed, self.books, int(self._pq.nbits))
        return np.asarray(codes, dtype=np.uint32)

    def errors(self, vectors: NDArray[np.float32]) -> Errors:
        """How much of the variance of `vectors` (n, width) the codes lose."""
        with _one_thread():
            rotated = self._index.chain.at(0).apply(np.ascontiguousarray(vectors))
            decoded = self._pq.decode(self._pq.compute_codes(rotated))
        lost = self._by_book(rotated - decoded)
        whole = self._by_book(rotated - rotated.mean(axis=0))
        shares = np.divide(lost, whole, out=np.zeros(self.books), where=whole > 0)
        return Errors(float(lost.sum() / max(whole.sum(), np.finfo(np.float64).tiny)), shares.tolist())

    def _by_book(self, differences: NDArray[np.float32]) -> NDArray[np.float64]:
        """Squared length of the slice that each codebook sees, summed over the rows."""
        slices = differences.astype(np.float64).reshape(len(differences), self.books, -1)
        squares: NDArray[np.float64] = (slices**2).sum(axis=(0, 2))
        return squares

    def save(self, path: Path) -> None:
        """Write it as a FAISS index file without vectors (`faiss.read_index`, `sa_encode`)."""
        import faiss

        faiss.write_index(self._index, str(path))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: the file is missing or damaged.
        """
        import faiss

        try:
            return cls(faiss.read_index(str(path)))
        except (RuntimeError, AttributeError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(f"{path} is no quantizer that FAISS can read: {reason}") from None


@contextmanager
def _one_thread() -> Iterator[None]:
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)

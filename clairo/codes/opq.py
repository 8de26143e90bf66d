"""Optimized product quantization (Ge et al., CVPR 2013) by FAISS: the standard index `OPQ<M>,PQ<M>x<bits>`.

The report's `OPQ4,IVF1,PQ4x8` is this with one coarse centroid, the mean, which PCA has taken away before.
"""

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from clairo.codes.quantizer import lost_share, packed, read_index, set_clustering, unpacked, write_index
from clairo.threads import one_of_faiss


class Opq:
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
            set_clustering(pq.cp, seed)
        index = faiss.IndexPreTransform(rotation, codec)
        with one_of_faiss():
            index.train(np.ascontiguousarray(vectors))
        rotation.pq = None
        return cls(index)

    def encode(self, vectors: NDArray[np.float32]) -> NDArray[np.uint32]:
        """Codes of vectors: the nearest entry of every codebook, (n, books) below `values`."""
        if not len(vectors):
            return np.zeros((0, self.books), dtype=np.uint32)
        with one_of_faiss():
            return unpacked(self._index.sa_encode(np.ascontiguousarray(vectors)), self.books, self.values)

    def decode(self, codes: NDArray[np.uint32]) -> NDArray[np.float32]:
        """The entries that codes (n, books) name, put together and rotated back, (n, width)."""
        if not len(codes):
            return np.zeros((0, self.width), dtype=np.float32)
        with one_of_faiss():
            return np.asarray(self._index.sa_decode(packed(codes, self.values)))

    def book_errors(self, vectors: NDArray[np.float32], codes: NDArray[np.uint32]) -> list[float]:
        """Of the slice that each codebook sees, its squared error relative to its variance."""
        with one_of_faiss():
            rotated = self._index.chain.at(0).apply(np.ascontiguousarray(vectors))
            decoded = self._pq.decode(packed(codes, self.values))
        lost = self._by_book(rotated - decoded)
        whole = self._by_book(rotated - rotated.mean(axis=0))
        length = self._by_book(rotated)
        return [
            lost_share(*book) for book in zip(*map(np.ndarray.tolist, (lost, whole, length)), strict=True)
        ]

    def _by_book(self, differences: NDArray[np.float32]) -> NDArray[np.float64]:
        """Squared length of the slice that each codebook sees, summed over the rows."""
        slices = differences.astype(np.float64).reshape(len(differences), self.books, -1)
        squares: NDArray[np.float64] = (slices**2).sum(axis=(0, 2))
        return squares

    def save(self, path: Path) -> None:
        """Write it as a FAISS index file."""
        write_index(self._index, path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: the file is missing or damaged.
        """
        return read_index(path, "OPQ", cls)

"""Optimized product quantization (Ge et al., CVPR 2013) by FAISS: the standard index `OPQ<M>,PQ<M>x<bits>`.

The report's `OPQ4,IVF1,PQ4x8` is this with one coarse centroid, the mean, which PCA has taken away before.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from clairo.codes.faiss_index import FaissQuantizer, packed, set_clustering
from clairo.codes.quantizer import lost_share
from clairo.threads import one_of_faiss


class Opq(FaissQuantizer):
    """A rotation, and a codebook for each slice of the rotated vector."""

    kind = "OPQ"

    @classmethod
    def wrap(cls, index: Any) -> Self:
        """Of a trained `faiss.IndexPreTransform` of an OPQ matrix and an `IndexPQ`."""
        pq = _product(index)
        return cls(index, books=int(pq.M), values=int(pq.ksub))

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
        return cls.wrap(index)

    def book_errors(self, vectors: NDArray[np.float32], codes: NDArray[np.uint32]) -> list[float]:
        """Of the slice that each codebook sees, its squared error relative to its variance."""
        with one_of_faiss():
            rotated = self._index.chain.at(0).apply(np.ascontiguousarray(vectors))
            decoded = _product(self._index).decode(packed(codes, self.values))
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


def _product(index: Any) -> Any:
    """The product quantizer within an index."""
    import faiss

    codec: Any = faiss.downcast_index(index.index)
    return codec.pq

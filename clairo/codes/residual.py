"""Residual k-means by FAISS: every codebook clusters what the codebooks before it have left over."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from clairo.codes.faiss_index import FaissQuantizer, set_clustering
from clairo.codes.quantizer import relative_error
from clairo.threads import one_of_faiss


class ResidualKMeans(FaissQuantizer):
    """A chain of codebooks: a vector is the sum of one entry of each."""

    kind = "residual"

    @classmethod
    def wrap(cls, index: Any) -> Self:
        """Of a trained `faiss.IndexResidualQuantizer` whose codebooks have equal sizes."""
        import faiss

        bits = int(faiss.vector_to_array(index.rq.nbits)[0])
        return cls(index, books=int(index.rq.M), values=1 << bits)

    @classmethod
    def train(
        cls, vectors: NDArray[np.float32], *, books: int, values: int, iterations: int, seed: int
    ) -> Self:
        """Learn codebooks from `vectors` (n, width), n at least `values`, one after the other.

        Each k-means starts in few principal components and takes in more of them (FAISS's progressive
        dimensions). From random vectors in all of them, the entry nearest to the mean would win nearly all,
        because what is left after a codebook or two points everywhere alike.

        One beam, so that the codes before an entry are what it refines: with more, FAISS would change the
        first code for the sake of the last.

        Args:
            vectors: what to learn from.
            books: codebooks.
            values: entries of each, a power of two.
            iterations: rounds of each k-means.
            seed: for k-means.
        """
        import faiss

        index = faiss.IndexResidualQuantizer(vectors.shape[1], books, values.bit_length() - 1)
        index.rq.train_type = faiss.ResidualQuantizer.Train_progressive_dim
        index.rq.max_beam_size = 1
        index.rq.cp.niter = iterations
        set_clustering(index.rq.cp, seed)
        with one_of_faiss():
            index.train(np.ascontiguousarray(vectors))
        return cls.wrap(index)

    @property
    def codebooks(self) -> NDArray[np.float32]:
        """The entries, (books, values, width)."""
        import faiss

        entries = faiss.vector_to_array(self._index.rq.codebooks)
        return np.asarray(entries.reshape(self.books, self.values, self.width))

    def book_errors(self, vectors: NDArray[np.float32], codes: NDArray[np.uint32]) -> list[float]:
        """What is left after each codebook, relative to the variance."""
        errors, decoded = [], np.zeros_like(vectors)
        for entries, column in zip(self.codebooks, codes.T, strict=True):
            decoded += entries[column]
            errors.append(relative_error(vectors, decoded))
        return errors

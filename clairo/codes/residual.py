"""Residual k-means by FAISS: every codebook clusters what the codebooks before it have left over."""

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from clairo.codes.quantizer import packed, read_index, relative_error, set_clustering, unpacked, write_index
from clairo.threads import one_of_faiss


class ResidualKMeans:
    """A chain of codebooks: a vector is the sum of one entry of each."""

    def __init__(self, index: Any) -> None:
        """Wrap a trained `faiss.IndexResidualQuantizer` whose codebooks have equal sizes."""
        import faiss

        self._index = index
        self.width = int(index.d)
        self.books = int(index.rq.M)
        self.values = 1 << int(faiss.vector_to_array(index.rq.nbits)[0])

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
        return cls(index)

    @property
    def codebooks(self) -> NDArray[np.float32]:
        """The entries, (books, values, width)."""
        import faiss

        entries = faiss.vector_to_array(self._index.rq.codebooks)
        return np.asarray(entries.reshape(self.books, self.values, self.width))

    def encode(self, vectors: NDArray[np.float32]) -> NDArray[np.uint32]:
        """Codes of vectors: book by book the entry nearest to what is left, (n, books) below `values`."""
        if not len(vectors):
            return np.zeros((0, self.books), dtype=np.uint32)
        with one_of_faiss():
            return unpacked(self._index.sa_encode(np.ascontiguousarray(vectors)), self.books, self.values)

    def decode(self, codes: NDArray[np.uint32]) -> NDArray[np.float32]:
        """The sums of the entries that codes (n, books) name, (n, width)."""
        if not len(codes):
            return np.zeros((0, self.width), dtype=np.float32)
        with one_of_faiss():
            return np.asarray(self._index.sa_decode(packed(codes, self.values)))

    def book_errors(self, vectors: NDArray[np.float32], codes: NDArray[np.uint32]) -> list[float]:
        """What is left after each codebook, relative to the variance."""
        errors, decoded = [], np.zeros_like(vectors)
        for entries, column in zip(self.codebooks, codes.T, strict=True):
            decoded += entries[column]
            errors.append(relative_error(vectors, decoded))
        return errors

    def save(self, path: Path) -> None:
        """Write it as a FAISS index file."""
        write_index(self._index, path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: the file is missing or damaged.
        """
        return read_index(path, "residual", cls)

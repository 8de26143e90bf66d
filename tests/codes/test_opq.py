"""OPQ by FAISS against the definition: the nearest centroid of every slice."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clairo.codes.opq import Opq, _product
from clairo.codes.quantizer import relative_error
from clairo.errors import InputError


def cloud(n: int, width: int) -> NDArray[np.float32]:
    random = np.random.default_rng(3)
    middles = random.standard_normal((12, width)) * 4
    points = middles[random.integers(0, 12, n)] + random.standard_normal((n, width))
    return points.astype(np.float32)


def train(vectors: NDArray[np.float32], books: int = 3, values: int = 8, seed: int = 5) -> Opq:
    return Opq.train(vectors, books=books, values=values, iterations=4, seed=seed)


def parts(quantizer: Opq) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The rotation (filled width, width) and the centroids (books, values, slice)."""
    import faiss

    pq = _product(quantizer._index)
    rotation: Any = faiss.downcast_VectorTransform(quantizer._index.chain.at(0))
    matrix = faiss.vector_to_array(rotation.A).reshape(rotation.d_out, rotation.d_in)
    centroids = faiss.vector_to_array(pq.centroids).reshape(pq.M, pq.ksub, pq.dsub)
    return matrix, centroids


@pytest.mark.parametrize(
    ("width", "books", "values"), [(12, 3, 8), (10, 4, 16), (5, 2, 2), (2, 4, 4), (9, 1, 32)]
)
def test_codes_are_the_nearest_centroids(width: int, books: int, values: int) -> None:
    vectors = cloud(120, width)
    quantizer = train(vectors, books, values)
    codes = quantizer.encode(vectors)
    assert codes.shape == (120, books)
    assert codes.dtype == np.uint32
    matrix, centroids = parts(quantizer)
    slices = (vectors @ matrix.T).reshape(120, books, 1, -1)
    distances = ((slices - centroids[None]) ** 2).sum(axis=3)
    chosen = np.take_along_axis(distances, codes[:, :, None].astype(np.int64), axis=2)[:, :, 0]
    np.testing.assert_allclose(chosen, distances.min(axis=2), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(width), atol=1e-4)  # lengths are kept


def test_errors_are_those_of_the_centroids() -> None:
    vectors = cloud(120, 12)
    quantizer = train(vectors)
    matrix, centroids = parts(quantizer)
    rotated = vectors @ matrix.T
    decoded = np.concatenate(
        [centroids[book][column] for book, column in enumerate(quantizer.encode(vectors).T)], axis=1
    )
    lost = ((rotated - decoded) ** 2).sum(axis=0).reshape(3, 4).sum(axis=1)
    whole = (120 * rotated.var(axis=0)).reshape(3, 4).sum(axis=1)
    codes = quantizer.encode(vectors)
    assert quantizer.book_errors(vectors, codes) == pytest.approx(lost / whole, rel=1e-4)
    overall = relative_error(vectors, quantizer.decode(codes))
    assert overall == pytest.approx(lost.sum() / whole.sum(), rel=1e-4)
    assert 0.01 < overall < 0.6


def test_more_values_lose_less() -> None:
    vectors = cloud(200, 12)
    made = [train(vectors, values=values) for values in (2, 8, 32)]
    losses = [relative_error(vectors, each.decode(each.encode(vectors))) for each in made]
    assert losses[0] > losses[1] > losses[2]


@pytest.mark.parametrize("values", [2, 4, 8])
def test_the_threads_around_change_nothing(values: int) -> None:
    """On these vectors FAISS itself finds other codebooks of 2 and of 4 values with two threads."""
    import faiss

    vectors = np.random.default_rng(0).standard_normal((600, 22)).astype(np.float32)
    before = faiss.omp_get_max_threads()
    made = []
    try:
        for threads in (1, 2):
            faiss.omp_set_num_threads(threads)
            made.append(train(vectors, books=4, values=values).encode(vectors))
            assert faiss.omp_get_max_threads() == threads
    finally:
        faiss.omp_set_num_threads(before)
    np.testing.assert_array_equal(made[0], made[1])


def test_the_seed_decides() -> None:
    vectors = cloud(120, 12)
    once, again, other = (train(vectors, seed=seed).encode(vectors) for seed in (5, 5, 2**32 - 1))
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()


def test_a_saved_quantizer_codes_later_items(tmp_path: Path) -> None:
    import faiss

    vectors = cloud(120, 10)
    quantizer = train(vectors, books=4, values=16)
    quantizer.save(tmp_path / "text.faiss")
    later = vectors[::-1] + np.float32(0.01)
    loaded = Opq.load(tmp_path / "text.faiss")
    assert (loaded.books, loaded.values) == (4, 16)
    np.testing.assert_array_equal(loaded.encode(later), quantizer.encode(later))
    assert loaded.encode(later[:0]).shape == (0, 4)
    plain = faiss.read_index(str(tmp_path / "text.faiss"))
    assert plain.ntotal == 0
    codes = faiss.unpack_bitstrings(plain.sa_encode(np.ascontiguousarray(later)), 4, 4)
    np.testing.assert_array_equal(codes, quantizer.encode(later))


@pytest.mark.parametrize("content", [None, b"", b"junk that is longer than a magic number"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "text.faiss"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"text\.faiss is no OPQ quantizer that FAISS can read"):
        Opq.load(path)


def test_few_items_a_centroid_bring_no_noise(capfd: pytest.CaptureFixture[str]) -> None:
    train(cloud(20, 8), books=2, values=16)
    caught = capfd.readouterr()
    assert (caught.out, caught.err) == ("", "")

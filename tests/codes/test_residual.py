"""Residual k-means by FAISS against the definition: the nearest entry to what is left, book by book."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clairo.codes.opq import Opq
from clairo.codes.quantizer import relative_error
from clairo.codes.residual import ResidualKMeans
from clairo.errors import InputError


def cloud(n: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(3).standard_normal((n, width)).astype(np.float32)


def train(vectors: NDArray[np.float32], books: int = 3, values: int = 8, seed: int = 5) -> ResidualKMeans:
    return ResidualKMeans.train(vectors, books=books, values=values, iterations=10, seed=seed)


@pytest.mark.parametrize(("width", "books", "values"), [(12, 3, 8), (5, 2, 2), (2, 4, 4), (9, 1, 32)])
def test_codes_are_the_nearest_entries_to_what_is_left(width: int, books: int, values: int) -> None:
    vectors = cloud(120, width)
    quantizer = train(vectors, books, values)
    codes = quantizer.encode(vectors)
    assert codes.shape == (120, books)
    assert codes.dtype == np.uint32
    left, lost = vectors.astype(np.float64), []
    for entries, column in zip(quantizer.codebooks.astype(np.float64), codes.T, strict=True):
        distances = ((left[:, None] - entries[None]) ** 2).sum(axis=2)
        chosen = distances[np.arange(120), column]
        np.testing.assert_allclose(chosen, distances.min(axis=1), rtol=1e-4, atol=1e-5)
        left = left - entries[column]
        lost.append((left**2).sum() / (120 * vectors.var(axis=0, dtype=np.float64).sum()))
    np.testing.assert_allclose(quantizer.decode(codes), vectors - left, atol=1e-5)
    assert quantizer.book_errors(vectors, codes) == pytest.approx(lost, rel=1e-4)
    assert relative_error(vectors, quantizer.decode(codes)) == pytest.approx(lost[-1], rel=1e-4)


def test_the_first_codebook_is_k_means() -> None:
    """Every entry is the mean of the vectors that have it, as after the last round of k-means."""
    middles = np.eye(4, dtype=np.float32) * 50
    vectors = np.repeat(middles, 20, axis=0) + cloud(80, 4)
    quantizer = train(vectors, books=2, values=4)
    first = quantizer.encode(vectors)[:, 0]
    for value in range(4):
        np.testing.assert_allclose(
            quantizer.codebooks[0, value], vectors[first == value].mean(axis=0), rtol=1e-4
        )


def test_threads_change_nothing_and_the_seed_decides() -> None:
    """On these vectors FAISS itself finds other codebooks with two threads."""
    import faiss

    vectors = np.random.default_rng(0).standard_normal((1585, 64)).astype(np.float32)
    before = faiss.omp_get_max_threads()
    made = []
    try:
        for threads in (1, 2):
            faiss.omp_set_num_threads(threads)
            made.append(train(vectors, books=2, values=64).encode(vectors))
            assert faiss.omp_get_max_threads() == threads
    finally:
        faiss.omp_set_num_threads(before)
    np.testing.assert_array_equal(made[0], made[1])
    assert (train(vectors, books=2, values=64, seed=2**32 - 1).encode(vectors) != made[0]).any()


def test_a_saved_quantizer_codes_later_items(tmp_path: Path) -> None:
    vectors = cloud(120, 10)
    quantizer = train(vectors, books=4, values=16)
    quantizer.save(tmp_path / "text.faiss")
    later = vectors[::-1] + np.float32(0.01)
    loaded = ResidualKMeans.load(tmp_path / "text.faiss")
    assert (loaded.width, loaded.books, loaded.values) == (10, 4, 16)
    np.testing.assert_array_equal(loaded.encode(later), quantizer.encode(later))
    assert loaded.encode(later[:0]).shape == (0, 4)
    assert loaded.decode(loaded.encode(later[:0])).shape == (0, 10)


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "text.faiss"
    Opq.train(cloud(60, 6), books=2, values=4, iterations=2, seed=0).save(path)
    with pytest.raises(InputError, match=r"text\.faiss is no residual quantizer"):
        ResidualKMeans.load(path)
    train(cloud(60, 6)).save(path)
    with pytest.raises(InputError, match=r"text\.faiss is no OPQ quantizer"):
        Opq.load(path)
    path.write_bytes(b"junk that is longer than a magic number")
    with pytest.raises(InputError, match=r"text\.faiss is no residual quantizer"):
        ResidualKMeans.load(path)


def test_few_items_an_entry_bring_no_noise(capfd: pytest.CaptureFixture[str]) -> None:
    train(cloud(20, 8), books=2, values=16)
    caught = capfd.readouterr()
    assert (caught.out, caught.err) == ("", "")


def test_no_entry_wins_nearly_all_of_what_points_everywhere() -> None:
    """From random vectors, FAISS's k-means gives the fullest entry of a codebook 1,285 of these."""
    vectors = np.random.default_rng(0).standard_normal((1500, 300)).astype(np.float32)
    quantizer = train(vectors, books=3, values=16)
    for column in quantizer.encode(vectors).T:
        assert np.bincount(column, minlength=16).max() < 300

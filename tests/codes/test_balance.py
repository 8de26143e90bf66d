"""Balanced assignment against trying all of them."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clairo.codes import balance
from clairo.codes.balance import balanced
from clairo.codes.residual import ResidualKMeans


def cloud(n: int, width: int = 3, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)


def train(books: int, values: int) -> ResidualKMeans:
    return ResidualKMeans.train(cloud(200), books=books, values=values, iterations=5, seed=0)


QUANTIZER = train(2, 4)


def lost(vectors: NDArray[np.float32], codes: NDArray[np.uint32]) -> float:
    return float(((vectors.astype(np.float64) - QUANTIZER.decode(codes)) ** 2).sum())


def best(vectors: NDArray[np.float32], prefix: int, taken: list[int]) -> float:
    """The least that an even assignment of the last code can lose, by trying all."""
    n, least = len(vectors), np.inf
    most = -(-(n + sum(taken)) // 4)
    for last in product(range(4), repeat=n):
        counts = [taken[value] + last.count(value) for value in range(4)]
        if any(last.count(value) and counts[value] > most for value in range(4)):
            continue
        codes = np.array([[prefix, value] for value in last], dtype=np.uint32)
        least = min(least, lost(vectors, codes))
    return least


@given(st.integers(1, 6), st.integers(0, 99), st.lists(st.integers(0, 3), max_size=5))
@settings(max_examples=40, deadline=None)
def test_no_even_assignment_loses_less(n: int, seed: int, old: list[int]) -> None:
    vectors = cloud(n, seed=seed) * np.float32(0.2)  # near each other, so that they collide
    codes = QUANTIZER.encode(vectors)
    codes[:, 0] = codes[0, 0]
    left = vectors - QUANTIZER.codebooks[0][codes[:, 0]]
    codes[:, 1] = ((left[:, None] - QUANTIZER.codebooks[1][None]) ** 2).sum(axis=2).argmin(axis=1)
    fixed = np.array([[codes[0, 0], value] for value in old], dtype=np.uint32).reshape(-1, 2)
    made = balanced(QUANTIZER, vectors, codes, fixed)
    np.testing.assert_array_equal(made[:, 0], codes[:, 0])
    taken = [old.count(value) for value in range(4)]
    most = -(-(n + len(old)) // 4)
    counts = np.bincount(made[:, 1], minlength=4)
    assert all(counts[value] == 0 or counts[value] + taken[value] <= most for value in range(4))
    assert lost(vectors, made) == pytest.approx(best(vectors, int(codes[0, 0]), taken), rel=1e-4, abs=1e-5)


def test_items_that_do_not_collide_keep_their_codes() -> None:
    vectors = cloud(6)
    codes = QUANTIZER.encode(vectors)
    alone = np.unique(codes, axis=0, return_counts=True)[1].max() == 1
    made = balanced(QUANTIZER, vectors, codes)
    if alone:
        np.testing.assert_array_equal(made, codes)
    spread = np.array([[0, 0], [0, 1], [1, 0], [2, 3]], dtype=np.uint32)
    np.testing.assert_array_equal(balanced(QUANTIZER, cloud(4), spread), spread)


@pytest.mark.parametrize("n", [5, 16, 37])
def test_a_crowd_is_taken_in_parts_that_are_even(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balance, "_AT_ONCE", 8)
    one_book = train(1, 4)
    vectors = np.repeat(cloud(1), n, axis=0)
    made = balanced(one_book, vectors, one_book.encode(vectors))
    counts = np.bincount(made[:, 0], minlength=4)
    assert counts.max() == -(-n // 4)
    assert counts.sum() == n


def test_more_values_than_items_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balance, "_AT_ONCE", 3)
    random = np.random.default_rng(0)
    quantizer = ResidualKMeans.train(
        random.standard_normal((60, 3)).astype(np.float32), books=1, values=8, iterations=3, seed=0
    )
    vectors = np.repeat(random.standard_normal((1, 3)).astype(np.float32), 19, axis=0)
    made = balance.balanced(quantizer, vectors, quantizer.encode(vectors))
    assert np.bincount(made[:, 0]).max() == 3

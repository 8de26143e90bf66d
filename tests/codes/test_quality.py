"""What the report says of a table of codes, against counting by hand."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from clairo.codes import quality


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=40))
def test_collisions(rows: list[tuple[int, int]]) -> None:
    counts = Counter(rows)
    assert quality.collisions(np.array(rows, dtype=np.uint32)) == {
        "rows": len(counts),
        "shared_rows": sum(n > 1 for n in counts.values()),
        "colliding_items": sum(n for n in counts.values() if n > 1),
        "largest_group": max(counts.values()),
    }


@pytest.mark.parametrize(
    ("column", "used", "perplexity"),
    [([0, 1, 2, 3], 4, 4), ([2] * 9, 1, 1), ([0, 0, 1, 1], 2, 2), ([0, 0, 0, 1], 2, 1.7548)],
)
def test_usage(column: list[int], used: int, perplexity: float) -> None:
    made = quality.usage(np.array(column, dtype=np.uint32), 8)
    assert made == {"values": 8, "used": used, "perplexity": perplexity}


def test_no_items() -> None:
    assert quality.collisions(np.zeros((0, 3), dtype=np.uint32))["largest_group"] == 0


def nearest(vectors: NDArray[np.float32], item: int, k: int) -> set[int]:
    distances = ((vectors.astype(np.float64) - vectors[item]) ** 2).sum(axis=1)
    distances[item] = np.inf
    return set(np.argsort(distances)[:k].tolist())


@pytest.mark.parametrize(("n", "k"), [(150, 10), (12, 3), (5, 10), (2, 1)])
def test_neighbours_kept_by_sorting_all(n: int, k: int) -> None:
    random = np.random.default_rng(n)
    vectors = random.standard_normal((n, 6)).astype(np.float32) + 5
    decoded = vectors + random.standard_normal((n, 6)).astype(np.float32)
    least = min(k, n - 1)
    expected = np.mean(
        [len(nearest(vectors, i, least) & nearest(decoded, i, least)) / least for i in range(n)]
    )
    made = quality.neighbours_kept(vectors, decoded, random, k=k)
    assert made == pytest.approx(expected)
    assert quality.neighbours_kept(vectors, vectors, random, k=k) == pytest.approx(1)


def test_neighbours_do_not_depend_on_the_order_of_equal_items() -> None:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((40, 3)).astype(np.float32)
    same = np.ones_like(vectors)
    assert quality.neighbours_kept(vectors, same, random, k=5) == pytest.approx(5 / 39)
    twins = np.repeat(
        vectors[:8], 5, axis=0
    )  # four twins an item: two of the six nearest are anybody's guess
    assert quality.neighbours_kept(twins, twins, random, k=6) == pytest.approx(1)
    order = random.permutation(40)
    coarse = np.round(vectors)
    one, other = (
        quality.neighbours_kept(vectors[rows], coarse[rows], random, k=5) for rows in (np.arange(40), order)
    )
    assert one == pytest.approx(other)


def test_neighbours_of_a_sample() -> None:
    vectors = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)
    decoded = np.round(vectors)
    whole = quality.neighbours_kept(vectors, decoded, np.random.default_rng(1))
    parts = [
        quality.neighbours_kept(vectors, decoded, np.random.default_rng(s), asked=100) for s in (1, 1, 2)
    ]
    assert parts[0] == parts[1] != parts[2]
    assert all(part == pytest.approx(whole, abs=0.1) for part in parts)
    assert quality.neighbours_kept(vectors[:1], decoded[:1], np.random.default_rng(1)) is None

"""Pairs of neighbours in training histories, equal vectors, and ranks among neighbours, by slow twins."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clairo.artifacts import Sequences
from clairo.fused.pairs import Pairs, looks, ranks

Histories = list[list[int]]


def sequences(histories: Histories, n_items: int = 8) -> Sequences:
    """Users with these training histories, and an item that is bought nowhere else as each target."""
    rows = [[*history, n_items - 1, n_items - 1] for history in histories]
    trained = np.array([len(history) for history in histories])
    rest: dict[str, Any] = {"ties": np.zeros(len(rows), dtype=np.bool_), "max_history": 50}
    return Sequences(
        items=np.array([f"item {row}" for row in range(n_items)]),
        users=np.array([f"user {row}" for row in range(len(rows))]),
        offsets=np.cumsum([0, *map(len, rows)]),
        events=np.array([item for row in rows for item in row], dtype=np.uint32),
        times=np.full(sum(map(len, rows)), -1),
        train_end=trained,
        validation=trained,
        test=trained + 1,
        **rest,
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 6), max_size=7), min_size=1, max_size=5),
    st.integers(1, 9),
)
def test_pairs_are_those_of_one_training_history(histories: Histories, window: int) -> None:
    pairs = Pairs.of(sequences(histories), window)
    expected = [
        (history[i], history[j], user, j - i)
        for user, history in enumerate(histories)
        for i in range(len(history))
        for j in range(i + 1, min(i + window + 1, len(history)))
    ]
    found = zip(pairs.first, pairs.second, pairs.users, pairs.distances, strict=True)
    assert sorted(tuple(map(int, pair)) for pair in found) == sorted(expected)


def test_a_pair_is_known_in_either_order() -> None:
    known = Pairs.of(sequences([[0, 1], [2, 3]]), 1)
    asked = Pairs.of(sequences([[1, 0], [0, 2], [2, 3]]), 1)
    assert asked.among(known, 8).tolist() == [True, False, True]


def test_equal_vectors_have_one_look() -> None:
    vectors = np.array([[1, 0], [0, 2], [1, -0.0], [1, 1e-30], [0, 2]], dtype=np.float32)
    look = looks(vectors)
    assert look[0] == look[2] != look[3]
    assert look[1] == look[4]
    assert sorted(set(look.tolist())) == [0, 1, 2]


@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_places_in_the_sorted_list(seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.integers(-1, 2, (8, 3)).astype(np.float32)  # many are equal
    pairs = Pairs.of(sequences([random.permutation(7).tolist()]), 6)
    candidates = random.random(8) < 0.8
    for first, second, rank in zip(pairs.first, pairs.second, ranks(vectors, pairs, candidates), strict=True):
        others = [j for j in range(8) if candidates[j] and j not in (first, second)]
        scores = vectors @ vectors[first]
        better = sum(scores[j] > scores[second] for j in others)
        equal = sum(scores[j] == scores[second] for j in others)
        assert rank == better + equal / 2

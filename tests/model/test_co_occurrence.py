"""Targets that are drawn among items seen near those of the history, against a slow count."""

from collections import Counter

import numpy as np
import pytest

from clairo.artifacts import Neighbours, Sequences
from clairo.model.co_occurrence import CoOccurrence
from clairo.model.examples import Batches, Examples
from clairo.vocabulary import Vocabulary

STARTS = np.array([0, 2, 3, 3])
TABLE = Neighbours(STARTS, items=np.array([1, 2, 0]), weights=np.array([3.0, 1.0, 2.0]))


def draws(share: float, history: list[int], n: int = 20_000) -> Counter[int]:
    """How often each item is drawn after a history whose target is item 9."""
    drawn = CoOccurrence(TABLE, share).draw(
        np.arange(n + 1) * len(history),
        np.array(history * n, dtype=np.uint32),
        np.full(n, 9, dtype=np.uint32),
        np.random.default_rng(0).random((n, 2)),
    )
    return Counter(drawn.tolist())


def test_an_item_comes_out_in_proportion_to_its_score() -> None:
    """After 0, 1 the scores are 0.6 * 3 of item 1, 0.6 * 1 of item 2 and 2 of item 0."""
    found = draws(1.0, [0, 1])
    total = 0.6 * 3 + 0.6 + 2
    expected = {1: 1.8 / total, 2: 0.6 / total, 0: 2 / total}
    assert set(found) == set(expected)
    for item, share in expected.items():
        assert abs(found[item] / 20_000 - share) < 4 * np.sqrt(share * (1 - share) / 20_000)


def test_only_the_share_is_drawn() -> None:
    found = draws(0.25, [0, 1])
    assert abs(found[9] / 20_000 - 0.75) < 4 * np.sqrt(0.75 * 0.25 / 20_000)
    assert draws(0.0, [0, 1]) == {9: 20_000}


def test_a_target_stays_where_nothing_was_seen_near_the_history() -> None:
    assert draws(1.0, [2, 2]) == {9: 20_000}


def test_the_ends_of_the_chances_stay_inside_the_history() -> None:
    chances = np.array([[0.0, 0.0], [0.0, np.nextafter(1, 0)], [0.0, 0.5]])
    drawn = CoOccurrence(TABLE, 1.0).draw(
        np.array([0, 1, 2, 3]),
        np.array([0, 0, 2], dtype=np.uint32),
        np.array([7, 7, 7], dtype=np.uint32),
        chances,
    )
    assert drawn.tolist() == [1, 2, 7]


@pytest.fixture
def batches(
    sequences: Sequences, vocabulary: Vocabulary, features: np.ndarray[tuple[int, int], np.dtype[np.uint32]]
) -> Batches:
    examples = Examples.of(*sequences.training(), 5)
    drawn = CoOccurrence.count(sequences, 0.5)
    return Batches(examples, vocabulary, features, batch_size=16, seed=5, co_occurrence=drawn)


def test_a_target_depends_on_epoch_and_example_alone(batches: Batches) -> None:
    """Whoever shares its batch."""
    together = batches.batch(np.arange(30), epoch=1).labels.tolist()
    assert batches.batch(np.arange(10, 20), epoch=1).labels.tolist() == together[10:20]
    assert batches.batch(np.arange(30), epoch=2).labels.tolist() != together
    assert batches.batch(np.arange(30), epoch=1).labels.tolist() == together

"""Examples and batches against loops over users."""

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from clairo import InputError, rng
from clairo.artifacts import Sequences
from clairo.model.examples import Batches, Examples, prefetch
from clairo.tokens import END, OFFSET
from clairo.vocabulary import Vocabulary

Features = NDArray[np.uint32]
HISTORIES = st.lists(st.lists(st.integers(0, 30), max_size=7), min_size=1, max_size=12).filter(
    lambda rows: any(len(row) > 1 for row in rows)
)


def flat(rows: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return offsets, np.array([event for row in rows for event in row], dtype=np.uint32)


@given(HISTORIES, st.integers(1, 8))
def test_every_prefix_is_an_example(rows: list[list[int]], max_history: int) -> None:
    expected = [(row[max(0, k - max_history) : k], row[k]) for row in rows for k in range(1, len(row))]
    examples = Examples.of(*flat(rows), max_history)
    found = [
        (examples.events[start:target].tolist(), int(examples.events[target]))
        for start, target in zip(examples.start, examples.target, strict=True)
    ]
    assert found == expected
    assert len(examples) == len(expected)


@given(HISTORIES, st.integers(1, 5), st.integers(0, 3))
def test_an_epoch_holds_every_example_once(rows: list[list[int]], batch_size: int, epoch: int) -> None:
    examples = Examples.of(*flat(rows), 20)
    order = examples.order(batch_size, seed=1, epoch=epoch)
    assert sorted(np.concatenate(order).tolist()) == list(range(len(examples)))
    assert len(order) == -(-len(examples) // batch_size)
    assert sorted(map(len, order))[1:] == [batch_size] * (len(order) - 1)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    examples = Examples.of(*flat([list(range(20))] * 20), 20)
    orders = {
        key: np.concatenate(examples.order(8, seed=key[0], epoch=key[1])).tolist()
        for key in [(0, 0), (0, 1), (1, 0)]
    }
    assert len({tuple(order) for order in orders.values()}) == 3
    assert np.concatenate(examples.order(8, seed=0, epoch=1)).tolist() == orders[0, 1]


def test_batches_hold_histories_of_like_length() -> None:
    rows = [list(range(length)) for length in np.random.default_rng(0).integers(2, 20, 200)]
    examples = Examples.of(*flat(rows), 20)
    length = examples.target - examples.start
    spread = [np.ptp(length[batch]) for batch in examples.order(16, seed=0, epoch=0)]
    assert np.mean(spread) < 2 < np.ptp(length)


def test_no_history_with_two_events_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to train on"):
        Examples.of(*flat([[1], [], [2]]), 20)


@pytest.fixture
def batches(sequences: Sequences, vocabulary: Vocabulary, features: Features) -> Batches:
    examples = Examples.of(*sequences.training(), 3)
    return Batches(examples, vocabulary, features, batch_size=16, seed=5)


def test_a_batch_is_the_encoding_of_its_examples(
    batches: Batches, sequences: Sequences, vocabulary: Vocabulary, features: Features
) -> None:
    rows = np.array([0, 7, 3])  # users have five examples each
    batch = batches.batch(rows, epoch=2)
    for place, row in enumerate(rows):
        user, k = divmod(int(row), 5)
        history = sequences.history(user)[max(0, k - 2) : k + 1]
        tokens, _ = vocabulary.encode(
            features, [0, len(history)], history, seed=rng.derive(5, "permutation", 2), rows=[row]
        )
        expected = [*(tokens.astype(np.int64) + OFFSET).tolist(), END]
        assert batch.ids[place][batch.mask[place]].tolist() == expected
        assert not batch.ids[place][~batch.mask[place]].any()
        target, _ = vocabulary.canonical(features[[sequences.history(user)[k + 1]]])
        labels = batch.labels[place].tolist()
        expected = [*(target.astype(np.int64) + OFFSET).tolist(), END]
        assert labels == expected + [-100] * (len(labels) - len(expected))


def test_a_history_is_permuted_anew_in_each_epoch(batches: Batches) -> None:
    rows = np.arange(64)
    first, second, again = (batches.batch(rows, epoch).ids.tolist() for epoch in (0, 1, 0))
    assert first == again
    assert first != second


def test_batches_use_training_events_only(
    sequences: Sequences, vocabulary: Vocabulary, features: Features
) -> None:
    """Change every validation and test event: not one batch changes."""
    events = sequences.events.reshape(sequences.n_users, -1).copy()
    events[:, -2:] = (events[:, -2:] + 31) % sequences.n_items
    other = Sequences(**{**vars(sequences), "events": events.ravel()})
    assert other.targets("test")[1].tolist() != sequences.targets("test")[1].tolist()

    def everything(source: Sequences) -> list[Any]:
        examples = Examples.of(*source.training(), 20)
        made = Batches(examples, vocabulary, features, batch_size=50, seed=0).of_epoch(0)
        return [(batch.ids.tolist(), batch.labels.tolist()) for batch in made]

    assert everything(other) == everything(sequences)


def test_an_epoch_can_be_entered_anywhere(batches: Batches) -> None:
    whole = [batch.ids.tolist() for batch in batches.of_epoch(1)]
    assert len(whole) == batches.per_epoch
    assert [batch.ids.tolist() for batch in batches.of_epoch(1, first=30)] == whole[30:]


def test_prefetch_keeps_order_and_hands_errors_on() -> None:
    def inverse(key: int) -> float:
        return 1 / key

    assert list(prefetch(inverse, [1, 2, 4], ahead=2)) == [1, 0.5, 0.25]
    with pytest.raises(ZeroDivisionError):
        list(prefetch(inverse, [1, 0], ahead=2))


def test_prefetch_leaves_no_thread_when_it_is_closed_early() -> None:
    before = threading.active_count()
    source = prefetch(str, range(100), ahead=3)
    assert next(source) == "0"
    source.close()
    assert threading.active_count() == before

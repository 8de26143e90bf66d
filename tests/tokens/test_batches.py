"""Padded batches against rows in lists."""

import numpy as np
import pytest
from numpy.typing import NDArray

from clairo.tokens import END, IGNORED, OFFSET, PAD, START, encode_inputs, flat_rows, n_model_ids, targets
from clairo.vocabulary import Vocabulary

FEATURES = np.array([(i // 5, i % 5, 0) for i in range(25)], dtype=np.uint32)
HISTORIES = [[3, 4, 5], [], [24], [7, 8, 9, 10, 11, 3]]


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.train(FEATURES, *flat(HISTORIES), size=25)


def flat(rows: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return offsets, np.array([value for row in rows for value in row], dtype=np.uint32)


def test_ids_do_not_meet(vocabulary: Vocabulary) -> None:
    assert len({PAD, END, START}) == 3
    assert max(PAD, END, START) < 1 + OFFSET  # the first token's id
    assert n_model_ids(vocabulary) == len(vocabulary) - 1 + OFFSET + 1  # the last token's id, and one more


def test_inputs_are_the_vocabularys_rows_closed_by_end(vocabulary: Vocabulary) -> None:
    offsets, events = flat(HISTORIES)
    rows = np.array([11, 12, 5, 0], dtype=np.uint64)
    ids, mask = encode_inputs(vocabulary.encoder(FEATURES), offsets, events, seed=4, rows=rows)
    tokens, starts = vocabulary.encode(FEATURES, offsets, events, seed=4, rows=rows)
    assert ids.dtype == np.int64
    assert mask.dtype == np.bool_
    assert ids.shape == mask.shape == (4, np.diff(starts).max() + 1)
    for place in range(4):
        row = tokens[starts[place] : starts[place + 1]].astype(np.int64) + OFFSET
        assert ids[place][mask[place]].tolist() == [*row.tolist(), END]
        assert (ids[place][~mask[place]] == PAD).all()
    assert ids[1][mask[1]].tolist() == [END]  # the empty history


def test_a_row_does_not_depend_on_its_batch(vocabulary: Vocabulary) -> None:
    offsets, events = flat(HISTORIES)
    encoder = vocabulary.encoder(FEATURES)
    together, mask = encode_inputs(encoder, offsets, events, seed=4)
    for place, history in enumerate(HISTORIES):
        alone, _ = encode_inputs(encoder, *flat([history]), seed=4, rows=np.array([place], dtype=np.uint64))
        assert alone[0].tolist() == together[place][mask[place]].tolist()


def test_targets_are_closed_by_end_and_ignored_behind() -> None:
    offsets, tokens = flat([[7, 9], [1], [2, 3, 4]])
    labels = targets(tokens, offsets)
    assert labels.tolist() == [
        [7 + OFFSET, 9 + OFFSET, END, IGNORED],
        [1 + OFFSET, END, IGNORED, IGNORED],
        [2 + OFFSET, 3 + OFFSET, 4 + OFFSET, END],
    ]


def test_flat_rows_joins_slices() -> None:
    values = np.arange(10) * 10
    offsets, joined = flat_rows(np.array([2, 5, 0, 8]), np.array([4, 5, 1, 10]), values)
    assert offsets.tolist() == [0, 2, 2, 3, 5]
    assert joined.tolist() == [20, 30, 0, 80, 90]
    offsets, joined = flat_rows(np.array([], dtype=np.int64), np.array([], dtype=np.int64), values)
    assert (offsets.tolist(), joined.tolist()) == ([0], [])

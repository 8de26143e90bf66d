"""How histories are read: permuted or not, merged across actions or inside of each alone, or whole."""

import numpy as np
import pytest
from numpy.typing import NDArray

from clairo.tokens import END, OFFSET, PAD, PERMUTED, Reading, encode_inputs
from clairo.vocabulary import Encoder, Vocabulary

FEATURES = np.array([(i // 5, i % 5, i % 3, 0) for i in range(25)], dtype=np.uint32)
HISTORIES = [[3, 4, 5, 3], [], [24], [7, 8, 9, 10, 11, 3, 7]]


def flat(rows: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return offsets, np.array([value for row in rows for value in row], dtype=np.uint32)


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.train(FEATURES, *flat(HISTORIES * 3), size=60)


@pytest.fixture(scope="module")
def encoder(vocabulary: Vocabulary) -> Encoder:
    return vocabulary.encoder(FEATURES)


def read(encoder: Encoder, reading: Reading, histories: list[list[int]], seed: int = 1) -> list[list[int]]:
    ids, mask = encode_inputs(encoder, *flat(histories), seed=seed, reading=reading)
    return [row[held].tolist() for row, held in zip(ids, mask, strict=True)]


def test_inside_alone_no_token_holds_features_of_two_actions(
    vocabulary: Vocabulary, encoder: Encoder
) -> None:
    """The tokens of one item come after those of another, and none holds features of two."""
    mixed = 0
    for seed in range(20):
        rows = read(encoder, Reading(across=False), HISTORIES, seed)
        for row, history in zip(rows, HISTORIES, strict=True):
            assert row[-1] == END
            left = [vocabulary.features_of(token - OFFSET) for token in row[:-1]]
            for item in history:
                found: list[tuple[int, int]] = []
                while len(found) < FEATURES.shape[1]:
                    found += left.pop(0)
                assert sorted(found) == list(enumerate(FEATURES[item].tolist()))
            assert not left
        mixed += rows != read(encoder, PERMUTED, HISTORIES, seed)
    assert mixed  # the vocabulary does merge across actions where it may


def test_inside_alone_an_action_is_permuted_by_its_place_and_its_historys_number(encoder: Encoder) -> None:
    inside = Reading(across=False)
    together = read(encoder, inside, HISTORIES)
    for place, history in enumerate(HISTORIES):
        number = np.array([place], dtype=np.uint64)
        ids, _ = encode_inputs(encoder, *flat([history]), seed=1, rows=number, reading=inside)
        assert ids[0].tolist() == together[place]
    same = read(encoder, inside, [[7] * 12] * 12)
    assert len({tuple(row) for row in same}) > 1
    halves = {(tuple(row[: len(row) // 2]), tuple(row[len(row) // 2 : -1])) for row in same}
    assert any(first != second for first, second in halves)


def test_without_permutation_a_history_has_one_encoding(vocabulary: Vocabulary, encoder: Encoder) -> None:
    fixed = Reading(permute=False)
    once = read(encoder, fixed, HISTORIES, seed=1)
    assert once == read(encoder, fixed, HISTORIES, seed=2)
    tokens, starts = vocabulary.encode_deterministic(FEATURES, *flat(HISTORIES))
    for place, row in enumerate(once):
        assert row[:-1] == (tokens[starts[place] : starts[place + 1]].astype(int) + OFFSET).tolist()


def test_inside_alone_and_without_permutation_every_action_has_its_canonical_tokens(encoder: Encoder) -> None:
    own, starts = encoder.canonical()
    wanted = [
        [*(int(token) + OFFSET for item in history for token in own[starts[item] : starts[item + 1]]), END]
        for history in HISTORIES
    ]
    assert read(encoder, Reading(across=False, permute=False), HISTORIES) == wanted


def test_whole_actions_stand_side_by_side_with_all_their_features_before_any_merge(
    vocabulary: Vocabulary, encoder: Encoder
) -> None:
    number = {feature: token for token, feature in enumerate(vocabulary.initial_tokens, 1)}
    for reading in (Reading(whole=True), Reading(across=False, permute=False, whole=True)):
        ids, mask = encode_inputs(encoder, *flat(HISTORIES), seed=1, reading=reading)
        assert ids.dtype == np.int64
        assert mask.dtype == np.bool_
        assert ids.shape == (len(HISTORIES), 8, FEATURES.shape[1])
        assert mask.shape == ids.shape[:2]
        for row, held, history in zip(ids, mask, HISTORIES, strict=True):
            wanted = [[number[feature] + OFFSET for feature in enumerate(FEATURES[item])] for item in history]
            assert row[held].tolist() == [*wanted, [END, PAD, PAD, PAD]]
            assert (row[~held] == PAD).all()


def test_views_of_whole_or_unpermuted_actions_do_not_differ() -> None:
    assert PERMUTED.views_differ
    assert not Reading(whole=True).views_differ
    assert not Reading(permute=False).views_differ

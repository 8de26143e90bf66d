"""What the vocabulary takes for arguments, and what it says to those that it does not take."""

from typing import Any

import numpy as np
import pytest

from clairo import InputError, Vocabulary

FEATURES = np.array([[0, 0], [1, 0], [1, 1]])
OFFSETS = np.array([0, 2, 4])
EVENTS = np.array([0, 1, 2, 0])

GOOD: dict[str, Any] = {"features": FEATURES, "offsets": OFFSETS, "events": EVENTS}


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.train(FEATURES, OFFSETS, EVENTS, size=9)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint32, np.int64, np.uint64, ">i4", object])
def test_integers_of_any_width(vocabulary: Vocabulary, dtype: Any) -> None:
    corpus = (FEATURES.astype(dtype), OFFSETS.astype(dtype), EVENTS.astype(dtype))
    assert np.array_equal(Vocabulary.train(*corpus, size=9).merges, vocabulary.merges)
    tokens, ends = vocabulary.encode(*corpus)
    right_tokens, right_ends = vocabulary.encode(FEATURES, OFFSETS, EVENTS)
    assert np.array_equal(tokens, right_tokens)
    assert np.array_equal(ends, right_ends)


def test_lists_tuples_strides_and_series(vocabulary: Vocabulary) -> None:
    polars = pytest.importorskip("polars")
    tables: list[Any] = [FEATURES.tolist(), tuple(map(tuple, FEATURES)), np.asfortranarray(FEATURES)]
    tables += [np.repeat(FEATURES, 2, axis=0)[::2], polars.DataFrame(FEATURES)]
    for table in tables:
        trained = Vocabulary.train(table, polars.Series(OFFSETS), list(EVENTS), size=np.int16(9))
        assert np.array_equal(trained.merges, vocabulary.merges)


def test_dtypes_and_shapes_of_results(vocabulary: Vocabulary) -> None:
    assert vocabulary.merges.dtype == np.uint32
    assert vocabulary.merges.shape == (len(vocabulary) - vocabulary.n_initial, 2)
    assert vocabulary.priorities.dtype == np.float64
    for tokens, offsets in (
        vocabulary.encode(FEATURES, OFFSETS, EVENTS),
        vocabulary.encode_deterministic(FEATURES, OFFSETS, EVENTS),
        vocabulary.canonical(FEATURES),
    ):
        assert tokens.dtype == np.uint32
        assert offsets.dtype == np.int64
    assert vocabulary.encode_flat([1]).dtype == np.uint32
    assert repr(vocabulary) == "Vocabulary(9 tokens: 4 features of 2 categories, 4 merges)"


def test_results_that_are_kept_cannot_be_written_to(vocabulary: Vocabulary) -> None:
    for array in (vocabulary.merges, vocabulary.priorities):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_arguments_are_not_changed(vocabulary: Vocabulary) -> None:
    features, offsets, events = FEATURES.copy(), OFFSETS.copy(), EVENTS.copy()
    vocabulary.encode(features, offsets, events)
    assert np.array_equal(features, FEATURES)
    assert np.array_equal(events, EVENTS)


def test_histories_without_events(vocabulary: Vocabulary) -> None:
    tokens, offsets = vocabulary.encode(FEATURES, [0, 0, 1, 1], [2])
    assert offsets.tolist() == [0, 0, len(tokens), len(tokens)]
    _, none = vocabulary.encode_deterministic(FEATURES, [0], [])
    assert none.tolist() == [0]
    assert vocabulary.encode_flat([]).tolist() == []
    assert len(Vocabulary.train(FEATURES, [0, 0], [], size=9)) == 5
    with_empty = Vocabulary.train(FEATURES, [0, 0, 2, 2, 4, 4], EVENTS, size=9)
    assert np.array_equal(with_empty.merges, vocabulary.merges)


WRONG_CORPUS: list[tuple[str, dict[str, Any]]] = [
    (r"features: must have 2 dimensions, has 1", {"features": [0, 1]}),
    (r"features: must have 2 dimensions, has 3", {"features": FEATURES[None]}),
    (r"features\[1\]: a row of another length", {"features": [[0, 0], [1]]}),
    (r"features: an item needs at least one category", {"features": np.zeros((3, 0), int)}),
    (r"features\[1, 1\]: 0\.5 is not a whole number", {"features": [[0, 0], [1, 0.5]]}),
    (r"features\[0, 1\]: nan is not a whole number", {"features": np.array([[0, np.nan]])}),
    (r"features: must hold whole numbers, is float64", {"features": FEATURES.astype(float)}),
    (r"features: must hold whole numbers, is bool", {"features": FEATURES > 0}),
    (r"features: must hold whole numbers, is <U1", {"features": FEATURES.astype("U1")}),
    (r"features\[0, 1\]: None is not a whole number", {"features": [[0, None]]}),
    (r"features\[1, 0\]: -1 is negative", {"features": [[0, 0], [-1, 0], [1, 1]]}),
    (r"features\[2\]: the same features as item 0", {"features": [[0, 0], [1, 0], [0, 0]]}),
    (r"features\[1, 0\]: 9223372036854775808 is not in", {"features": [[0, 0], [2**63, 0]]}),
    (r"features\[1, 0\]: 1180591620717411303424 is not in", {"features": [[0, 0], [2**70, 0]]}),
    (r"features\[0, 0\]: -1 is negative", {"features": [[-1, 0], [2**62, 0]]}),
    (r"offsets: must have 1 dimensions", {"offsets": [[0, 4]]}),
    (r"offsets: must hold at least a 0", {"offsets": []}),
    (r"offsets\[0\]: must be 0, is 1", {"offsets": [1, 4]}),
    (r"offsets\[2\]: 1 is below", {"offsets": [0, 2, 1, 4]}),
    (r"offsets\[1\]: must be the number of events, 4, is 3", {"offsets": [0, 3]}),
    (r"offsets\[1\]: must be the number of events, 4, is 5", {"offsets": [0, 5]}),
    (r"offsets: must hold whole numbers, is float32", {"offsets": OFFSETS.astype(np.float32)}),
    (r"events\[2\]: item 3 is not a row of features \(0\.\.3\)", {"events": [0, 1, 3, 0]}),
    (r"events\[3\]: item -1 is not a row of features", {"events": [0, 1, 2, -1]}),
    (r"events\[0\]: item 4294967296 is not a row", {"events": [2**32, 1, 2, 0]}),
    (r"events: must have 1 dimensions, has 0", {"events": 3}),
]

WRONG_TRAINING: list[tuple[str, dict[str, Any]]] = [
    (r"size: must be a whole number in 1\.\.\d+, is 0", {"size": 0}),
    (r"size: must be a whole number, is 9\.0", {"size": 9.0}),
    (r"size: must be a whole number in 1\.\.\d+, is True", {"size": True}),
    (r"size: must be a whole number in 1\.\.\d+, is 1000000000000", {"size": 10**12}),
    (r"threads: must be a whole number in 1\.\.\d+, is 0", {"threads": 0}),
    (r"threads: must be a whole number, is 'all'", {"threads": "all"}),
    (r"progress: must be callable, is True", {"progress": True}),
    (r"cardinalities: 1 given for 2 categories", {"cardinalities": [2]}),
    (r"cardinalities\[1\]: 0 is below 1", {"cardinalities": [2, 0]}),
    (r"cardinalities\[0\]: \d+ is below 1, or makes more than", {"cardinalities": [2**62, 2]}),
    (r"cardinalities: must have 1 dimensions", {"cardinalities": 3}),
    (r"features\[1, 0\]: value 1 is not below the cardinality 1", {"cardinalities": [1, 2]}),
]

WRONG_ENCODING: list[tuple[str, dict[str, Any]]] = [
    (r"features: 3 categories, but the vocabulary has 2", {"features": [[0, 0, 0], [1, 0, 0], [1, 1, 1]]}),
    (r"features\[2, 1\]: value 7 of category 1 is not", {"features": [[0, 0], [1, 0], [1, 7]]}),
    (r"rows: 1 given for 2 histories", {"rows": [0]}),
    (r"rows\[1\]: -1 is not in 0\.\.", {"rows": [0, -1]}),
    (r"rows\[0\]: 0\.5 is not a whole number", {"rows": [0.5, 1]}),
    (r"seed: must be a whole number in 0\.\.\d+, is -1", {"seed": -1}),
    (r"seed: must be a whole number in 0\.\.\d+, is 18446744073709551616", {"seed": 2**64}),
    (r"seed: must be a whole number, is None", {"seed": None}),
    (r"threads: must be a whole number in 1\.\.\d+, is -2", {"threads": -2}),
]


@pytest.mark.parametrize(("message", "wrong"), WRONG_CORPUS + WRONG_TRAINING)
def test_training_names_the_argument_and_the_place(message: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=message):
        Vocabulary.train(**{**GOOD, "size": 9, **wrong})


@pytest.mark.parametrize(("message", "wrong"), WRONG_CORPUS + WRONG_ENCODING)
def test_encoding_names_the_argument_and_the_place(
    vocabulary: Vocabulary, message: str, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=message):
        vocabulary.encode(**{**GOOD, **wrong})


@pytest.mark.parametrize(("message", "wrong"), WRONG_CORPUS)
def test_deterministic_encoding_names_the_argument_and_the_place(
    vocabulary: Vocabulary, message: str, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=message):
        vocabulary.encode_deterministic(**{**GOOD, **wrong})


def test_items_that_cannot_be_encoded(vocabulary: Vocabulary) -> None:
    with pytest.raises(InputError, match=r"features\[0, 0\]: value 5 of category 0 is not in the vocabulary"):
        vocabulary.canonical([[5, 0]])
    with pytest.raises(InputError, match=r"features\[1\]: the same features as item 0"):
        vocabulary.canonical([[0, 0], [0, 0]])


@pytest.mark.parametrize(
    ("message", "tokens"),
    [
        (r"tokens\[1\]: token 0 is not in 1\.\.9", [1, 0]),
        (r"tokens\[0\]: token 9 is not in 1\.\.9", [9]),
        (r"tokens\[0\]: -1 is not in", [-1]),
        (r"tokens\[2\]: 4294967296 is not in", [1, 1, 2**32]),
        (r"tokens: must hold whole numbers, is float64", np.array([1.0])),
        (r"tokens: must have 1 dimensions, has 2", [[1]]),
    ],
)
def test_flat_rows_that_cannot_be_encoded(vocabulary: Vocabulary, message: str, tokens: Any) -> None:
    with pytest.raises(InputError, match=message):
        vocabulary.encode_flat(tokens)


@pytest.mark.parametrize(
    "tokens", [[], [0], [-1], [9], [2**31], [2**63], [2**80], [-(2**80)], [2**63, -1], np.array([], np.uint8)]
)
def test_ids_that_are_no_tokens_are_no_item(vocabulary: Vocabulary, tokens: Any) -> None:
    assert vocabulary.decode(tokens) is None
    assert vocabulary.decode([*tokens, 1, 3]) is None or len(tokens) == 0


@pytest.mark.parametrize("token", [0, -1, 9, 2**40, 1.0, "1"])
def test_features_of_no_token(vocabulary: Vocabulary, token: Any) -> None:
    with pytest.raises(InputError, match="token: must be a whole number"):
        vocabulary.features_of(token)


def test_items_too_wide_for_exact_counts_are_refused_before_work() -> None:
    with pytest.raises(InputError, match="60 categories over 2 events need exact counts"):
        Vocabulary.train([range(60)], [0, 2], [0, 0], size=99)

"""Nearest free rows against looking at all of them."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clairo.codes.nearest import Content, moved
from clairo.codes.opq import Opq
from clairo.codes.quantizer import Quantizer
from clairo.codes.residual import ResidualKMeans
from clairo.errors import InputError


def cloud(n: int, width: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, width)).astype(np.float32)


OPQ = Opq.train(cloud(200, 4), books=2, values=4, iterations=3, seed=0)
OTHER = Opq.train(cloud(200, 3, 1), books=1, values=4, iterations=3, seed=0)
RESIDUAL = ResidualKMeans.train(cloud(200, 4), books=2, values=4, iterations=3, seed=0)


def content(quantizer: Quantizer, vectors: NDArray[np.float32], first: int = 0) -> Content:
    return Content(quantizer, vectors, np.ones(len(vectors), dtype=np.bool_), first)


def distance(contents: list[Content], item: int, row: tuple[int, ...]) -> float:
    total = 0.0
    for part in contents:
        codes = np.array([row[part.columns]], dtype=np.uint32)
        variance = part.vectors[part.present].var(axis=0, dtype=np.float64).sum()
        total += ((part.vectors[item] - part.quantizer.decode(codes)[0]) ** 2).sum() / variance
    return float(total)


@given(st.integers(2, 40), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_opq_items_take_the_nearest_free_row_of_all(n: int, seed: int) -> None:
    """Two groups, every free row looked at, in the order that is documented."""
    vectors, others = cloud(n, 4, seed) * np.float32(0.5), cloud(n, 3, seed + 1)
    contents = [content(OPQ, vectors), content(OTHER, others, 2)]
    features = np.concatenate([OPQ.encode(vectors), OTHER.encode(others)], axis=1)
    made = moved(features, contents)
    rows = [tuple(row) for row in features.tolist()]
    taken = set(rows)
    firsts = {row: rows.index(row) for row in rows}
    waiting = sorted(item for item in range(n) if firsts[rows[item]] != item)
    assert all(made[item].tolist() == list(rows[item]) for item in set(range(n)) - set(waiting))
    for item in sorted(waiting, key=lambda item: (rows[item], item)):
        free = {row: distance(contents, item, row) for row in product(range(4), repeat=3) if row not in taken}
        chosen = tuple(made[item].tolist())
        assert chosen in free
        assert free[chosen] == pytest.approx(min(free.values()), rel=1e-4)
        taken.add(chosen)


@given(st.integers(2, 16), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_residual_items_end_on_rows_of_their_own_until_all_are_taken(n: int, seed: int) -> None:
    vectors = cloud(n, 4, seed) * np.float32(0.3)
    features = RESIDUAL.encode(vectors)
    made = moved(features, [content(RESIDUAL, vectors)])
    assert len(np.unique(made, axis=0)) == n
    assert made.max() < 4
    np.testing.assert_array_equal(made, moved(features, [content(RESIDUAL, vectors)]))


def test_a_residual_item_takes_the_nearest_row_one_code_away() -> None:
    vectors = np.repeat(cloud(1, 4, 7), 2, axis=0)
    features = RESIDUAL.encode(vectors)
    one, two = moved(features, [content(RESIDUAL, vectors)]).tolist()
    assert one == features[0].tolist()
    near = [(value, one[1]) for value in range(4)] + [(one[0], value) for value in range(4)]
    missed = {
        row: ((vectors[0] - RESIDUAL.decode(np.array([row], dtype=np.uint32))[0]) ** 2).sum()
        for row in near
        if list(row) != one
    }
    assert tuple(two) == min(missed, key=lambda row: missed[row])


def test_items_that_are_fixed_stay_and_others_go_round_them() -> None:
    vectors = np.repeat(cloud(1, 4), 4, axis=0)
    features = RESIDUAL.encode(vectors)
    made = moved(features, [content(RESIDUAL, vectors)], fixed=2)
    np.testing.assert_array_equal(made[:2], features[:2])
    assert len(np.unique(made, axis=0)) == 3


def test_marks_of_what_is_missing_stay() -> None:
    vectors, others = np.repeat(cloud(1, 4), 4, axis=0), np.repeat(cloud(1, 3), 4, axis=0)
    has = np.array([True, True, False, False])
    contents = [Content(OPQ, vectors, has, 0), Content(OTHER, others, np.array([True, True, True, False]), 2)]
    features = np.concatenate([OPQ.encode(vectors), OTHER.encode(others)], axis=1)
    features[~has, :2] = 4
    features[3] = features[2] = [4, 4, 4]
    made = moved(features, contents)
    assert made[2].tolist() == made[3].tolist() == [4, 4, 4]  # the first on its row, and one without vectors
    assert len(np.unique(made[:3], axis=0)) == 3
    features[2] = [4, 4, 1]
    twice = np.vstack([features, features[2]])
    contents = [
        Content(OPQ, cloud(5, 4), np.append(has, False), 0),
        Content(OTHER, cloud(5, 3), np.array([True, True, True, False, True]), 2),
    ]
    made = moved(twice, contents)
    assert made[4, :2].tolist() == [4, 4]
    assert made[4, 2] not in (1, 4)


def test_when_all_rows_are_taken_the_error_says_so() -> None:
    vectors = np.repeat(cloud(1, 4), 19, axis=0)
    with pytest.raises(
        InputError, match="all rows of 2 codes below 4 are taken, and 3 items still share"
    ) as caught:
        moved(RESIDUAL.encode(vectors), [content(RESIDUAL, vectors)])
    assert "codes.books" in str(caught.value.hint)


def test_twins_take_what_one_search_finds_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that stands for many items: no row is looked at again for each of them."""
    quantizer = ResidualKMeans.train(cloud(200, 4), books=2, values=16, iterations=3, seed=0)
    vectors = np.repeat(cloud(1, 4, 3), 40, axis=0)
    looked, decode = [], quantizer.decode

    def counted(codes: NDArray[np.uint32]) -> NDArray[np.float32]:
        looked.append(len(codes))
        return decode(codes)

    monkeypatch.setattr(quantizer, "decode", counted)
    features = quantizer.encode(vectors)
    made = moved(features, [content(quantizer, vectors)])
    assert len(looked) <= 40
    alone = [features[:1]]
    for _ in range(39):  # each twin with a search of its own
        rows = np.concatenate([*alone, features[:1]])
        alone.append(moved(rows, [content(quantizer, vectors[: len(rows)])], fixed=len(rows) - 1)[-1:])
    np.testing.assert_array_equal(made, np.concatenate(alone))

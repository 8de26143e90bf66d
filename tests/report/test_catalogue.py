"""Coverage, Gini, head and tail against their definitions written out."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from clairo.report import catalogue

counts = st.lists(st.integers(0, 50), min_size=1, max_size=30).map(lambda x: np.array(x, dtype=np.int64))


@given(counts)
@example(np.array([0, 0, 0]))
@example(np.array([7]))
def test_gini_is_half_the_relative_mean_difference(values: NDArray[np.int64]) -> None:
    n, total = len(values), int(values.sum())
    pairs = sum(abs(a - b) for a in values.tolist() for b in values.tolist())
    expected = pairs / (2 * n * total) if total else 0.0
    assert catalogue.gini(values) == pytest.approx(expected, abs=1e-12)


@given(counts, st.floats(0, 1))
def test_the_head_is_the_fewest_items_that_hold_enough(values: NDArray[np.int64], tail: float) -> None:
    head, wanted = catalogue.head(values, tail), (1 - tail) * values.sum()
    inside, outside = sorted(values[head].tolist()), values[~head].tolist()
    assert sum(inside) >= wanted - 1e-9
    assert not inside or sum(inside[1:]) < wanted
    assert all(value > 0 for value in inside)
    assert not inside or not outside or inside[0] >= max(outside)


def test_spread_counts_places_of_the_first_ten() -> None:
    top = np.full((3, 10), -1)
    top[0, :3], top[1, :2], top[2, :1] = [0, 1, 2], [0, 3], [0]
    new = np.array([False, False, True, False, False])
    tail = np.array([False, True, True, True, True])
    found = catalogue.spread(top, tail=tail, new=new)
    assert found["coverage@10"] == 4 / 5
    assert found["tail_share@10"] == 3 / 6
    assert found["new_share@10"] == 1 / 6
    assert found["gini@10"] == pytest.approx(catalogue.gini(np.array([3, 1, 1, 1, 0])))


def test_nothing_past_the_tenth_place_counts() -> None:
    top = np.arange(24).reshape(2, 12)
    assert catalogue.slots(top, 24).tolist() == [1] * 10 + [0, 0] + [1] * 10 + [0, 0]


@given(counts)
def test_the_curve_falls_and_its_share_ends_at_one(values: NDArray[np.int64]) -> None:
    curve = catalogue.curve(values)
    assert curve["events"] == sorted(curve["events"], reverse=True)
    assert curve["share"] == sorted(curve["share"])
    if values.any():
        assert curve["rank"][-1] == (values > 0).sum()
        assert curve["share"][-1] == pytest.approx(1.0)
        assert curve["events"][0] == values.max()
    else:
        assert curve["rank"] == []

"""Ranked lists and histories against Python's own sort and slices."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from clairo.rivals.histories import Histories
from clairo.rivals.lists import Lists, hold_back, top

rows_of_scores = st.integers(1, 9).flatmap(
    lambda n: st.lists(
        st.lists(st.sampled_from([-np.inf, -1.0, 0.0, 0.5, 2.0]), min_size=n, max_size=n),
        min_size=1,
        max_size=4,
    )
)
rows_of_items = st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=5)


@settings(deadline=None)
@given(scores=rows_of_scores, k=st.integers(1, 12))
def test_top_is_the_head_of_a_stable_sort(scores: list[list[float]], k: int) -> None:
    lists = top(np.array(scores), k)
    assert lists.items.shape == (len(scores), min(k, len(scores[0])))
    for row, items, values in zip(scores, lists.items, lists.scores, strict=True):
        real = [item for item in range(len(row)) if row[item] > -np.inf]
        expected = sorted(real, key=lambda item: (-row[item], item))[:k]
        assert items[items >= 0].tolist() == expected
        assert values[: len(expected)].tolist() == [row[item] for item in expected]
        assert (items[len(expected) :] == -1).all()
        assert (values[len(expected) :] == -np.inf).all()


def test_hold_back_leaves_the_scores_alone() -> None:
    scores = np.ones((2, 3))
    held = hold_back(scores, Histories.of([[2, 0, 2], []]))
    assert held.tolist() == [[-np.inf, 1, -np.inf], [1, 1, 1]]
    assert (scores == 1).all()


def test_joined_lists_keep_their_order() -> None:
    one, two = top(np.array([[1.0, 2.0]]), 2), top(np.array([[2.0, 1.0]]), 2)
    assert Lists.joined([Lists.empty(0, 2), one, two]).items.tolist() == [[1, 0], [0, 1]]


@settings(deadline=None)
@given(rows=rows_of_items, n=st.integers(1, 7), data=st.data())
def test_histories_are_rows_of_lists(rows: list[list[int]], n: int, data: st.DataObject) -> None:
    histories = Histories.of(rows)
    assert [histories[row].tolist() for row in range(len(histories))] == rows
    assert histories.steps_back.tolist() == [back for row in rows for back in reversed(range(len(row)))]
    cut = histories.latest(n)
    assert [cut[row].tolist() for row in range(len(cut))] == [row[-n:] for row in rows]
    if rows:
        order = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=6))
        taken = histories.take(np.array(order, dtype=np.int64))
        assert [taken[row].tolist() for row in range(len(taken))] == [rows[row] for row in order]

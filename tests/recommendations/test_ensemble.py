"""Votes and averages of views against a dictionary, and what completes a list."""

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clairo.recommendations.ensemble import NOTHING, average, complete, vote

N_ITEMS = 12
views = st.lists(st.lists(st.integers(0, N_ITEMS - 1), unique=True, max_size=8), min_size=1, max_size=6)
View = list[int]


def padded(found: list[View], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Lists of items as the search returns them, with falling scores, few of which differ."""
    items, scores = np.full((len(found), 8), -1), np.full((len(found), 8), -np.inf)
    rng = np.random.default_rng(seed)
    for row, view in enumerate(found):
        items[row, : len(view)] = view
        scores[row, : len(view)] = -np.sort(rng.integers(0, 3, size=len(view)))
    return items, scores


@settings(deadline=None)
@given(found=views, seed=st.integers(0, 99))
@example(found=[[0, 1, 2], [1, 2, 0], [2, 0, 1]], seed=0)  # the same ranks in another order are the same sum
@example(
    found=[[1], [7], [0, 2, 3, 4, 5, 6, 8, 1], [0, 7, 2, 3, 4, 5, 6, 1]], seed=0
)  # 2 / log2(9) = 1 / log2(3)
def test_votes_add_up_over_views(found: list[View], seed: int) -> None:
    items, scores = padded(found, seed)
    ranks, logs = defaultdict[int, list[int]](list), defaultdict[int, list[float]](list)
    for view, row in zip(found, scores, strict=True):
        for rank, item in enumerate(view):
            ranks[item].append(rank)
            logs[item].append(row[rank])
    votes = {item: math.fsum(1 / math.log2(rank + 2) for rank in found) for item, found in ranks.items()}
    expected = sorted(
        votes, key=lambda item: (-round(votes[item], 12), -sum(logs[item]) / len(logs[item]), item)
    )
    ranking = vote(items, scores)
    assert ranking.items.tolist() == expected
    assert ranking.scores.tolist() == pytest.approx([votes[item] for item in expected])
    assert ranking.views.tolist() == [len(ranks[item]) for item in expected]


def test_one_view_is_its_own_ranking() -> None:
    ranking = vote(np.array([[4, 2, 9]]), np.array([[-1.0, -2.0, -3.0]]))
    assert ranking.items.tolist() == [4, 2, 9]
    assert ranking.scores.tolist() == pytest.approx([1.0, 1 / math.log2(3), 0.5])


def test_an_item_that_all_views_find_beats_one_that_a_single_view_puts_first() -> None:
    items = np.array([[7, 5], [3, 5], [1, 5]])
    assert vote(items, np.full((3, 2), -1.0)).items.tolist() == [5, 1, 3, 7]


def test_ties_go_to_the_better_mean_log_probability() -> None:
    items, scores = np.array([[3, 1], [1, 3]]), np.array([[-1.0, -2.0], [-0.5, -2.0]])
    assert vote(items, scores).items.tolist() == [1, 3]


@settings(deadline=None)
@given(found=views, seed=st.integers(0, 99))
def test_probabilities_are_averaged_over_views(found: list[View], seed: int) -> None:
    items, scores = padded(found, seed)
    mean = defaultdict[int, float](float)
    for view, row in zip(found, scores, strict=True):
        for item, score in zip(view, row, strict=False):
            mean[item] += math.exp(score) / len(found)
    ranking = average(items, scores)
    values = ranking.scores.tolist()
    assert sorted(ranking.items.tolist()) == sorted(mean)
    assert values == pytest.approx([math.log(mean[item]) for item in ranking.items.tolist()])
    assert values == sorted(values, reverse=True)
    assert ranking.views.tolist() == [sum(item in view for view in found) for item in ranking.items.tolist()]


def test_equal_averages_go_to_the_smaller_item() -> None:
    items, scores = np.array([[7, 3, -1], [3, 7, 5]]), np.array([[-1.0, -1.0, -np.inf], [-1.0, -1.0, -2.0]])
    assert average(items, scores).items.tolist() == [3, 7, 5]


def test_probabilities_that_are_no_doubles_any_more_are_still_ordered() -> None:
    ranking = average(np.array([[1, 0], [0, 1]]), np.array([[-900.0, -1000.0], [-800.0, -1200.0]]))
    assert ranking.items.tolist() == [0, 1]
    assert ranking.scores.tolist() == pytest.approx([-800 - math.log(2), -900 - math.log(2)])


@settings(deadline=None)
@given(
    found=views,
    held=st.lists(st.integers(0, N_ITEMS - 1), max_size=N_ITEMS),
    k=st.integers(1, N_ITEMS),
    order=st.permutations(range(N_ITEMS)),
)
def test_complete_keeps_the_order_of_the_votes_and_fills_by_popularity(
    found: list[View], held: list[int], k: int, order: list[int]
) -> None:
    ranking = vote(*padded(found, 0))
    items, scores, filled = complete(ranking, np.array(order), k, np.array(held, dtype=np.uint32))
    voted = [item for item in ranking.items.tolist() if item not in held][:k]
    rest = [item for item in order if item not in held and item not in voted]
    assert items.tolist() == (voted + rest)[:k]
    assert len(items) == min(k, N_ITEMS - len(set(held)))
    assert filled == len(items) - len(voted)
    assert (np.diff(scores[len(voted) :]) < 0).all()
    assert (np.diff(scores) <= 0).all()
    assert (scores[: len(voted)] > 0).all()
    assert (scores[len(voted) :] < 0).all()


@settings(deadline=None)
@given(
    found=views,
    may=st.sets(st.integers(0, N_ITEMS - 1)),
    held=st.lists(st.integers(0, N_ITEMS - 1), max_size=N_ITEMS),
    k=st.integers(1, N_ITEMS),
    order=st.permutations(range(N_ITEMS)),
)
def test_what_fills_a_list_is_allowed_and_below_every_score(
    found: list[View], may: set[int], held: list[int], k: int, order: list[int]
) -> None:
    ranking = average(*padded([[item for item in view if item in may] for view in found], 0))
    allowed = np.isin(np.arange(N_ITEMS), list(may))
    items, scores, filled = complete(ranking, np.array(order), k, np.array(held, dtype=np.uint32), allowed)
    own = [item for item in ranking.items.tolist() if item not in held][:k]
    rest = [item for item in order if item in may and item not in held and item not in own]
    assert items.tolist() == (own + rest)[:k]
    assert filled == len(items) - len(own)
    assert (
        scores[: len(own)].tolist()
        == [score for item, score in zip(ranking.items, ranking.scores, strict=True) if item not in held][:k]
    )
    assert (np.diff(scores[max(0, len(own) - 1) :]) <= -1 + 1e-9).all()  # but for rounding
    assert all(score <= -1 for score in scores[len(own) :])


def test_nothing_found_is_popularity() -> None:
    items, scores, filled = complete(NOTHING, np.array([2, 0, 1]), 2, np.empty(0, dtype=np.int64))
    assert (items.tolist(), scores.tolist(), filled) == ([2, 0], [-1.0, -2.0], 2)

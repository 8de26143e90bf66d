"""Fitted item-to-item against its definition solved as least squares, and what of it a run keeps."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clairo import metrics
from clairo.rivals import counted
from clairo.rivals.counted import ItemToItem, Neighbours, Popularity
from clairo.rivals.histories import Histories
from clairo.rivals.linear import Moments

from .test_counted import N_ITEMS, Rows, leave_one_out, shoppers

DECAYS = st.sampled_from([0.0, 0.3, 0.5, 1.0])


def solved(rows: Rows, *, past: float, future: float, together: float, penalty: float) -> NDArray[np.float64]:
    """W by the definition: one equation an event and one a user, solved in doubles."""
    gram, cross = np.zeros((N_ITEMS, N_ITEMS)), np.zeros((N_ITEMS, N_ITEMS))
    for row in rows:
        training = row[:-2]
        for place in range(len(training)):
            before, after = np.zeros(N_ITEMS), np.zeros(N_ITEMS)
            for back, item in enumerate(reversed(training[:place])):
                before[item] += past**back
            for ahead, item in enumerate(training[place:]):
                after[item] += future**ahead
            gram += np.outer(before, before)
            cross += np.outer(before, after)
        held = np.isin(np.arange(N_ITEMS), training).astype(float)
        gram += together * np.outer(held, held)
        cross += together * (np.outer(held, held) - np.diag(held))
    return np.asarray(np.linalg.solve(gram + penalty * np.eye(N_ITEMS), cross), dtype=np.float64)


def dense(table: Neighbours) -> NDArray[np.float64]:
    weights = np.zeros((len(table.starts) - 1,) * 2)
    for item, (start, stop) in enumerate(zip(table.starts[:-1], table.starts[1:], strict=True)):
        weights[item, table.items[start:stop]] = table.weights[start:stop]
    return weights


@settings(deadline=None)
@given(
    rows=shoppers,
    past=DECAYS,
    future=DECAYS,
    together=st.sampled_from([0.0, 1.0, 2.5]),
    penalty=st.sampled_from([0.5, 10.0]),
)
def test_weights_solve_the_definition(
    rows: Rows, past: float, future: float, together: float, penalty: float
) -> None:
    moments = Moments.count(leave_one_out(rows, N_ITEMS), past=past, future=future, together=together)
    expected = solved(rows, past=past, future=future, together=together, penalty=penalty)
    np.testing.assert_allclose(dense(moments.fit(penalty, kept=N_ITEMS)), expected, atol=2e-9)


@given(rows=shoppers, kept=st.integers(1, N_ITEMS))
@settings(deadline=None)
def test_each_row_keeps_its_weights_furthest_from_0(rows: Rows, kept: int) -> None:
    moments = Moments.count(leave_one_out(rows, N_ITEMS), past=0.3, future=0.5, together=1.0)
    every, some = dense(moments.fit(3.0, kept=N_ITEMS)), dense(moments.fit(3.0, kept=kept))
    for whole, left in zip(every, some, strict=True):
        strongest = sorted(range(N_ITEMS), key=lambda item: (-abs(whole[item]), item))[:kept]
        expected = [whole[item] if item in strongest else 0 for item in range(N_ITEMS)]
        assert left.tolist() == expected


def test_two_items_that_always_come_together_count_once() -> None:
    # 1 and 2 are always bought together and lead to 4; 3, bought as often as either, leads to 5.
    rows = [[1, 2, 4, 0, 0], [2, 1, 4, 0, 0], [3, 5, 0, 0], [3, 5, 0, 0]]
    sequences = leave_one_out(rows, N_ITEMS)
    popularity = Popularity.count(sequences)
    fitted = Moments.count(sequences, past=1.0, future=0.0, together=0.0).fit(1e-6, kept=N_ITEMS)
    pairs = Neighbours.count(sequences, window=2, backward=0.0)
    read = Histories.of([[3, 1, 2]])
    gaps = []
    for table in (fitted, pairs):
        scores = ItemToItem(table, 1.0, 0 * popularity.share, popularity).scores(read)[0]
        gaps.append(scores[4] / scores[5])
    # Least squares of 1 or 2 alone, which did not lead to 4, and of both, which did, twice: 0.4 for each.
    assert gaps[0] == pytest.approx(2 * 0.4, abs=1e-3)
    assert gaps[1] > 1.4


def test_far_events_are_left_out_and_near_ones_are_not() -> None:
    rows = [[0, 1, 2, 3, 4, 5, 6, 6, 6, 0, 0]]
    moments = Moments.count(leave_one_out(rows, N_ITEMS), past=0.1, future=0.0, together=0.0)
    cross = moments.cross.toarray()
    assert cross[0, 1:7] == pytest.approx([1, 0.1, 0.01, 0.001, 0, 0])


def test_on_real_data_it_stands_above_counts(shared: Path) -> None:
    rows = list(json.loads((shared / "data/instruments/Instruments.inter.json").read_text()).values())
    items = np.unique([item for row in rows for item in row], return_counts=True)
    often = {item: place for place, item in enumerate(items[0][np.argsort(-items[1])][:1500].tolist())}
    few = [[often[item] for item in row if item in often] for row in rows]
    sequences = leave_one_out([row for row in few if len(row) >= 3], 1500)
    popularity = Popularity.count(sequences)
    fitted = Moments.count(sequences, past=0.3, future=0.5, together=1.0).fit(100, kept=500)
    pairs = Neighbours.count(sequences, window=3, backward=0.5)
    read, known = Histories.read(sequences, "test"), Histories.known(sequences, "test")
    targets = sequences.targets("test")[1]
    found = []
    for table in (fitted, pairs):
        rival = ItemToItem(table, 0.8, 0.001 * popularity.share, popularity)
        _, masked = counted.recommend(rival, read, known, k=10, n_items=1500)
        found.append(metrics.summary(metrics.rank_of(masked.items, targets), (10,))["ndcg@10"])
    assert found[0] > 1.05 * found[1]

"""The rivals against sums written out event by event, and against figures measured elsewhere on real data."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clairo import metrics
from clairo.artifacts import Sequences
from clairo.recommendations.tuning import target_ranks, tune
from clairo.rivals import counted
from clairo.rivals.counted import ItemToItem, Neighbours, Popularity, markov
from clairo.rivals.histories import Histories
from clairo.rivals.lists import Lists

N_ITEMS = 7
Rows = list[list[int]]
shoppers = st.lists(st.lists(st.integers(0, N_ITEMS - 1), min_size=3, max_size=8), min_size=1, max_size=6)


def leave_one_out(rows: Rows, n_items: int) -> Sequences:
    lengths = np.array([len(row) for row in rows])
    return Sequences(
        items=np.array([f"i{item}" for item in range(n_items)]),
        users=np.array([f"u{user}" for user in range(len(rows))]),
        offsets=np.concatenate(([0], np.cumsum(lengths))),
        events=np.array([item for row in rows for item in row], dtype=np.uint32),
        times=np.full(lengths.sum(), -1),
        train_end=lengths - 2,
        validation=lengths - 2,
        test=lengths - 1,
        ties=np.zeros(len(rows), dtype=np.bool_),
        max_history=50,
    )


def popularity_share(rows: Rows) -> NDArray[np.float64]:
    counts = np.zeros(N_ITEMS)
    for row in rows:
        for item in row[:-2]:
            counts[item] += 1
    counts /= max(1, counts.sum())
    return counts


def item2item_scores(
    rows: Rows, history: list[int], *, window: int, decay: float, backward: float, tie: float
) -> NDArray[np.float64]:
    """The score of every item after `history`: the definition, read aloud."""
    share = popularity_share(rows)
    if not history:
        return share
    seen = np.zeros((N_ITEMS, N_ITEMS))
    for row in rows:
        training = row[:-2]
        for i, first in enumerate(training):
            for j in range(i + 1, min(i + window + 1, len(training))):
                seen[first, training[j]] += 1 / (j - i)
                seen[training[j], first] += backward / (j - i)
    scores = tie * share
    for steps_back, item in enumerate(reversed(history)):
        scores = scores + decay**steps_back * seen[item]
    return scores


@settings(deadline=None)
@given(
    rows=shoppers,
    history=st.lists(st.integers(0, N_ITEMS - 1), max_size=5),
    window=st.integers(1, 9),
    decay=st.sampled_from([0.0, 0.4, 1.0]),
    backward=st.sampled_from([0.0, 0.5]),
)
def test_item2item_is_the_sum_over_pairs(
    rows: Rows, history: list[int], window: int, decay: float, backward: float
) -> None:
    sequences = leave_one_out(rows, N_ITEMS)
    popularity = Popularity.count(sequences)
    neighbours = Neighbours.count(sequences, window=window, backward=backward)
    rival = ItemToItem(neighbours, decay, 0.001 * popularity.share, popularity)
    scores = rival.scores(Histories.of([[0, 1], history, []]))
    expected = item2item_scores(rows, history, window=window, decay=decay, backward=backward, tie=0.001)
    np.testing.assert_allclose(scores[1], expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(scores[2], popularity_share(rows))


@settings(deadline=None)
@given(rows=shoppers, last=st.integers(0, N_ITEMS - 1))
def test_markov_orders_by_transitions_then_popularity_then_index(rows: Rows, last: int) -> None:
    sequences = leave_one_out(rows, N_ITEMS)
    followed = [0] * N_ITEMS
    for row in rows:
        for first, second in pairwise(row[:-2]):
            followed[second] += first == last
    share = popularity_share(rows)
    expected = sorted(range(N_ITEMS), key=lambda item: (-followed[item], -share[item], item))
    rival = markov(sequences, Popularity.count(sequences))
    read = Histories.of([[(last + 1) % N_ITEMS, last]])
    plain, masked = counted.recommend(rival, read, Histories.of([[last]]), k=50, n_items=N_ITEMS)
    assert plain.items.tolist() == [expected]
    assert masked.items.tolist() == [[item for item in expected if item != last] + [-1]]


def test_tuning_takes_the_best_cell_and_the_first_of_equals() -> None:
    rows = [[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6], [5, 0, 1, 2, 3, 4], [2, 2, 3, 4, 5, 0]]
    sequences = leave_one_out(rows, N_ITEMS)
    popularity = Popularity.count(sequences)
    tuned = tune(
        "item2item",
        sequences,
        popularity,
        lambda window: Neighbours.count(sequences, window=window, backward=0.5),
        option="window",
        values=(3, 1, 3),
        decays=(1.0, 0.5),
        tie_weight=0.001,
    )
    best, grid = tuned.best, tuned.grid
    assert [(cell.value, cell.decay) for cell in grid] == [(1, 0.5), (1, 1.0), (3, 0.5), (3, 1.0)]
    for cell in grid:
        ranks = []
        for row in rows:
            scores = item2item_scores(
                rows, row[:-2], window=int(cell.value), decay=cell.decay, backward=0.5, tie=0.001
            )
            ranks.append(sorted(range(N_ITEMS), key=lambda item: -scores[item]).index(row[-2]))
        assert cell.ndcg == pytest.approx(np.mean(1 / np.log2(np.array(ranks) + 2)))
    assert best == next(cell for cell in grid if cell.ndcg == max(other.ndcg for other in grid))
    assert tuned.rival.decay == best.decay
    assert tuned.summary() == {
        "window": best.value,
        "decay": best.decay,
        "grid": [{"window": cell.value, "decay": cell.decay, "ndcg@10": cell.ndcg} for cell in grid],
    }


def test_ranks_over_the_catalogue_are_those_of_the_lists() -> None:
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, N_ITEMS, size=6).tolist() for _ in range(40)]
    sequences = leave_one_out(rows, N_ITEMS)
    popularity = Popularity.count(sequences)
    read, (_, targets) = Histories.read(sequences, "test"), sequences.targets("test")
    for rival in (popularity, markov(sequences, popularity)):
        lists, _ = counted.recommend(rival, read, read, k=N_ITEMS, n_items=N_ITEMS)
        ranks = target_ranks(rival, read, targets, N_ITEMS)
        assert ranks.tolist() == metrics.rank_of(lists.items.tolist(), targets.tolist()).tolist()


def test_batches_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    sequences = leave_one_out([rng.integers(0, N_ITEMS, size=5).tolist() for _ in range(9)], N_ITEMS)
    rival = markov(sequences, Popularity.count(sequences))
    read, known = Histories.read(sequences, "test"), Histories.known(sequences, "test")
    whole = counted.recommend(rival, read, known, k=5, n_items=N_ITEMS)
    monkeypatch.setattr(counted, "_BATCH_SCORES", 2 * N_ITEMS)
    for one, other in zip(whole, counted.recommend(rival, read, known, k=5, n_items=N_ITEMS), strict=True):
        np.testing.assert_array_equal(one.items, other.items)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_a_history_in_which_nothing_was_trained_is_no_error() -> None:
    sequences = leave_one_out([[0, 1]], 3)
    popularity = Popularity.count(sequences)
    read = Histories.read(sequences, "test")
    for rival in (popularity, markov(sequences, popularity)):
        plain, masked = counted.recommend(rival, read, read, k=3, n_items=3)
        assert plain.items.tolist() == [[0, 1, 2]]
        assert masked.items.tolist() == [[1, 2, -1]]


# Measured independently of this code: Recall@5, Recall@10, NDCG@5, NDCG@10 over all test users. They carry
# four digits, and the order of near-ties cost their maker (who seems to have added popularity in single
# precision) up to 0.0003 for Markov, where most scores are small whole numbers.
INSTRUMENTS = "instruments/Instruments.inter.json"
SCIENTIFIC = "scientific-mm/scientific18-mm.inter.json"
FIGURES = [
    (INSTRUMENTS, "popularity", (0.0370, 0.0638, 0.0211, 0.0298), (0.0478, 0.0680, 0.0389, 0.0453), 1e-4),
    (INSTRUMENTS, "markov", (0.0812, 0.0962, 0.0656, 0.0704), (0.0834, 0.0982, 0.0738, 0.0785), 3e-4),
    (INSTRUMENTS, "item2item", (0.1089, 0.1302, 0.0916, 0.0985), (0.1143, 0.1348, 0.1015, 0.1081), 2e-4),
    (SCIENTIFIC, "item2item", (0.1120, 0.1496, 0.0862, 0.0982), (0.1189, 0.1568, 0.0930, 0.1052), 1e-4),
]


@pytest.mark.parametrize(("file", "name", "plain", "masked", "tolerance"), FIGURES)
def test_figures_on_real_data(
    shared: Path,
    file: str,
    name: str,
    plain: tuple[float, ...],
    masked: tuple[float, ...],
    tolerance: float,
) -> None:
    rows = list(json.loads((shared / "data" / file).read_text()).values())
    sequences = leave_one_out(rows, 1 + max(max(row) for row in rows))
    popularity = Popularity.count(sequences)
    read, known = Histories.read(sequences, "test"), Histories.known(sequences, "test")
    rival: counted.Rival = popularity
    if name == "markov":
        rival = markov(sequences, popularity)
    elif name == "item2item":
        neighbours = Neighbours.count(sequences, window=3 if file == INSTRUMENTS else 10, backward=0.5)
        rival = ItemToItem(neighbours, 0.6, 0.001 * popularity.share, popularity)
    found = counted.recommend(rival, read, known, k=10, n_items=sequences.n_items)
    targets = sequences.targets("test")[1].tolist()
    for lists, figures in zip(found, (plain, masked), strict=True):
        assert measured(lists, targets) == pytest.approx(figures, abs=tolerance)


def measured(lists: Lists, targets: list[int]) -> list[float]:
    return list(metrics.summary(metrics.rank_of(lists.items.tolist(), targets), (5, 10)).values())

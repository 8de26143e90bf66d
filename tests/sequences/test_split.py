"""The two splits and the ties, each beside a slow and obvious twin."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from clairo.artifacts import Sequences
from clairo.errors import InputError
from clairo.sequences.assemble import assemble, last_ties, users_with_ties
from clairo.sequences.events import Events
from clairo.sequences.split import by_time, leave_one_out

HISTORIES = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=8).map(sorted), min_size=1, max_size=6)


def _flat(histories: list[list[int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    offsets = np.cumsum([0, *map(len, histories)]).astype(np.int64)
    return offsets, np.array([time for history in histories for time in history], dtype=np.int64)


def _assembled(histories: list[list[tuple[int, int]]], days: tuple[date, date] | None = None) -> Sequences:
    """Sequences of users' (item, time) events."""
    rows = [(user, *event) for user, history in enumerate(histories) for event in history]
    user, item, time = np.array(rows, dtype=np.int64).T
    users = np.array([f"u{n}" for n in range(len(histories))])
    items = np.array([f"i{n}" for n in range(int(item.max()) + 1)])
    return assemble(Events(user, item, time, users, items), days=days, max_history=3)


@pytest.mark.parametrize(
    ("length", "train", "validation", "test"), [(1, 1, -1, -1), (2, 1, -1, 1), (3, 1, 1, 2), (9, 7, 7, 8)]
)
def test_leave_one_out(length: int, train: int, validation: int, test: int) -> None:
    cut = leave_one_out(np.array([length]))
    assert (cut.train_end[0], cut.validation[0], cut.test[0]) == (train, validation, test)


@given(HISTORIES, st.integers(0, 10), st.integers(1, 5))
def test_a_split_by_time_agrees_with_the_rule_said_event_by_event(
    histories: list[list[int]], validation_from: int, width: int
) -> None:
    test_from = validation_from + width
    cut = by_time(*_flat(histories), validation_from, test_from)
    for user, times in enumerate(histories):
        assert cut.train_end[user] == sum(time < validation_from for time in times)
        for target, first, end in (
            (cut.validation, validation_from, test_from),
            (cut.test, test_from, 10**9),
        ):
            positions = [place for place, time in enumerate(times) if first <= time < end]
            expected = positions[0] if positions and positions[0] > 0 else -1
            assert target[user] == expected


@given(HISTORIES)
def test_ties_are_equal_times_of_neighbours(histories: list[list[int]]) -> None:
    offsets, times = _flat(histories)
    assert last_ties(offsets, times).tolist() == [
        len(history) > 1 and history[-1] == history[-2] for history in histories
    ]
    assert users_with_ties(offsets, times) == sum(len(set(history)) < len(history) for history in histories)


def test_unknown_times_never_tie() -> None:
    offsets, times = _flat([[-1, -1], [-1]])
    assert not last_ties(offsets, times).any()
    assert users_with_ties(offsets, times) == 0


def test_what_a_test_reads_holds_the_validation_item() -> None:
    sequences = _assembled([[(0, 5), (1, 6), (2, 7), (3, 8)], [(3, 1), (0, 2)]])
    assert sequences.training()[1].tolist() == [0, 1, 3]
    users, targets = sequences.targets("test")
    assert (users.tolist(), targets.tolist()) == ([0, 1], [3, 0])
    assert sequences.input_history("test")[1].tolist() == [0, 1, 2, 3]
    assert sequences.targets("validation")[1].tolist() == [2]


def test_equal_times_keep_the_order_of_the_file() -> None:
    same_day = [(4, 7), (0, 7), (2, 7), (1, 3), (3, 7)]
    sequences = _assembled([same_day])
    assert sequences.history(0).tolist() == [1, 4, 0, 2, 3]
    assert sequences.ties.tolist() == [True]
    shuffled = _assembled([[same_day[place] for place in (2, 3, 4, 1, 0)]])
    assert shuffled.history(0).tolist() == [1, 2, 3, 0, 4]


def test_days_begin_at_midnight_utc() -> None:
    midnight = 1514764800  # 2018-01-01T00:00:00Z
    day = 86400
    history = [
        (0, midnight - day),
        (1, midnight - 1),
        (2, midnight),
        (3, midnight + day - 1),
        (4, midnight + day),
    ]
    sequences = _assembled([history], (date(2018, 1, 1), date(2018, 1, 2)))
    assert sequences.train_end.tolist() == [2]
    assert (sequences.validation.tolist(), sequences.test.tolist()) == ([2], [4])


def test_a_split_by_time_of_events_without_times_is_refused() -> None:
    with pytest.raises(InputError, match="no times"):
        _assembled([[(0, -1), (1, -1), (2, -1)]], (date(2018, 1, 1), date(2018, 1, 2)))

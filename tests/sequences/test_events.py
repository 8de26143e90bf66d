"""Order and filters of events, each beside a slow and obvious twin."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clairo.sequences.events import Events, first_of_pairs, k_core

Row = tuple[int, int, int]
ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6), st.integers(0, 4)), max_size=60)


def _events(rows: list[Row]) -> Events:
    user, item, time = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    names = np.array([f"id{n}" for n in range(10)])
    return Events(user, item, time, users=names, items=names)


def _rows(events: Events) -> list[Row]:
    return list(zip(events.user.tolist(), events.item.tolist(), events.time.tolist(), strict=True))


def _slow_core(rows: list[Row], min_user: int, min_item: int) -> list[Row]:
    """Takes out one user or one item at a time, until nothing is left to take out."""
    while True:
        for column, least in ((0, min_user), (1, min_item)):
            values = [row[column] for row in rows]
            poor = next((value for value in values if values.count(value) < least), None)
            if poor is not None:
                rows = [row for row in rows if row[column] != poor]
                break
        else:
            return rows


@given(ROWS, st.integers(0, 4), st.integers(0, 4))
def test_the_core_is_what_is_left_when_taking_out_one_by_one(rows: list[Row], user: int, item: int) -> None:
    events = _events(rows)
    marks, rounds = k_core(events, user, item)
    assert _rows(events.keep(marks)) == _slow_core(rows, user, item)
    assert (rounds == 0) == bool(marks.all())


@given(ROWS, st.integers(1, 4))
def test_the_core_of_a_core_is_itself(rows: list[Row], k: int) -> None:
    core = _events(rows).keep(k_core(_events(rows), k, k)[0])
    assert k_core(core, k, k)[0].all()


def test_a_chain_of_falls_takes_a_round_a_link() -> None:
    """Users 0 and 1 share item 0, 1 and 2 share item 1, and so on: one weak end unravels it all."""
    rows = [(user, item, 0) for user in range(6) for item in (user - 1, user) if item >= 0]
    marks, rounds = k_core(_events(rows), 2, 2)
    assert not marks.any()
    assert rounds > 2


@given(ROWS)
def test_the_first_of_pairs_is_the_earliest_and_then_that_named_first(rows: list[Row]) -> None:
    best: dict[tuple[int, int], int] = {}
    for place, (user, item, time) in enumerate(rows):
        if (user, item) not in best or time < rows[best[user, item]][2]:
            best[user, item] = place
    assert np.flatnonzero(first_of_pairs(_events(rows))).tolist() == sorted(best.values())


@given(ROWS)
def test_order_is_by_user_and_time_and_then_as_in_the_file(rows: list[Row]) -> None:
    assert _rows(_events(rows).in_order()) == sorted(rows, key=lambda row: (row[0], row[2]))


@given(ROWS)
def test_compacting_keeps_every_event_under_its_original_ids(rows: list[Row]) -> None:
    events = _events(rows)
    compact, item_rows = events.compact()
    assert compact.users[compact.user].tolist() == events.users[events.user].tolist()
    assert compact.items[compact.item].tolist() == events.items[events.item].tolist()
    assert (
        compact.items.tolist() == events.items[item_rows].tolist() == sorted({f"id{row[1]}" for row in rows})
    )
    assert compact.counts() == events.counts()


@pytest.mark.parametrize("k", [0, 1, 5])
def test_no_events_have_an_empty_core(k: int) -> None:
    marks, rounds = k_core(_events([]), k, k)
    assert (len(marks), rounds) == (0, 0)

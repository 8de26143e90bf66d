"""Filtered events into `Sequences`."""

from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import Sequences
from clairo.errors import InputError
from clairo.sequences import split
from clairo.sequences.events import Events


def assemble(events: Events, *, days: tuple[date, date] | None, max_history: int) -> Sequences:
    """Order and split the events; every user and item of `events` must have one.

    Args:
        events: in the order of the published file, which decides between equal times.
        days: first days (UTC) of validation and of test; None for leave-one-out.
        max_history: longest history that a recommender may read.

    Raises:
        InputError: a split by time, and events without time.
    """
    events = events.in_order()
    lengths = np.bincount(events.user, minlength=len(events.users))
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    found = cut(offsets, events.time, days)
    return Sequences(
        items=events.items,
        users=events.users,
        offsets=offsets,
        events=events.item.astype(np.uint32),
        times=events.time,
        train_end=found.train_end,
        validation=found.validation,
        test=found.test,
        ties=last_ties(offsets, events.time),
        max_history=max_history,
    )


def cut(offsets: NDArray[np.int64], times: NDArray[np.int64], days: tuple[date, date] | None) -> split.Cut:
    """Split events that stand user by user in their order; `days` as for `assemble`."""
    if days is None:
        return split.leave_one_out(np.diff(offsets))
    if (times < 0).any():
        raise InputError(
            'sequences.split = "time", but these events have no times',
            hint='ready histories know only the order: set sequences.split = "leave-one-out"',
        )
    validation_from, test_from = (
        int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) for day in days
    )
    return split.by_time(offsets, times, validation_from, test_from)


def tied(offsets: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether an event has the time, if that is known, of its user's event before it; (n_events,)."""
    ties = np.zeros(len(times), dtype=np.bool_)
    ties[1:] = (times[1:] == times[:-1]) & (times[1:] >= 0)
    ties[offsets[:-1][np.diff(offsets) > 0]] = False
    return ties


def last_ties(offsets: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a user's last event is tied, (n_users,); every user has an event."""
    return tied(offsets, times)[offsets[1:] - 1]


def users_with_ties(offsets: NDArray[np.int64], times: NDArray[np.int64]) -> int:
    """How many users have a tied event anywhere."""
    counted = np.concatenate(([0], np.cumsum(tied(offsets, times))))
    return int(np.count_nonzero(np.diff(counted[offsets])))

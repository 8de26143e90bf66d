"""Where a user's training ends, and which events validate and test."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Cut:
    """A split.

    Attributes:
        train_end: (n_users,) int64, how many leading events train.
        validation: (n_users,) int64, position of the target among the user's events, -1 for none.
        test: the same for the test target.
    """

    train_end: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def leave_one_out(lengths: NDArray[np.int64]) -> Cut:
    """The last event tests, the one before it validates, the others train.

    A user of two events trains on one and has no validation; a user of one event only trains.
    """
    return Cut(
        train_end=np.where(lengths >= 3, lengths - 2, np.minimum(lengths, 1)),
        validation=np.where(lengths >= 3, lengths - 2, -1),
        test=np.where(lengths >= 2, lengths - 1, -1),
    )


def by_time(
    offsets: NDArray[np.int64], times: NDArray[np.int64], validation_from: int, test_from: int
) -> Cut:
    """Events before `validation_from` train; a user's first event of each later period is its target.

    A target that is the user's very first event is none: there is no history to recommend from.

    Args:
        offsets: (n_users + 1,) of users into `times`.
        times: (n_events,) unix seconds, rising within a user.
        validation_from: unix seconds at which validation begins.
        test_from: unix seconds at which test begins.
    """
    lengths = np.diff(offsets)
    before_validation = _before(offsets, times, validation_from)
    before_test = _before(offsets, times, test_from)
    return Cut(
        train_end=before_validation,
        validation=_target(before_validation, before_test),
        test=_target(before_test, lengths),
    )


def _target(first: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """`first` where it lies before `end` and has an event before it, -1 elsewhere."""
    return np.where((first < end) & (first > 0), first, -1)


def _before(offsets: NDArray[np.int64], times: NDArray[np.int64], moment: int) -> NDArray[np.int64]:
    """How many events of each user lie before `moment`."""
    counted: NDArray[np.int64] = np.concatenate([[0], np.cumsum(times < moment)])
    return counted[offsets[1:]] - counted[offsets[:-1]]

"""Users' histories and their split, as flat arrays."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import npz
from clairo.errors import InputError

FILE = "sequences.npz"
Split = Literal["validation", "test"]


@dataclass(frozen=True)
class Sequences:
    """Every user's events in time order, and where training ends.

    Attributes:
        items: original item ids, (n_items,) str; a row is an item index.
        users: original user ids, (n_users,) str.
        offsets: (n_users + 1,) int64; user u's events are `events[offsets[u]:offsets[u + 1]]`.
        events: (n_events,) uint32 item indices.
        times: (n_events,) int64 unix seconds, -1 where unknown.
        train_end: (n_users,) int64, how many leading events are training events.
        validation: (n_users,) int64, position of the validation target among the user's events, -1 for none.
        test: (n_users,) int64, the same for the test target.
        ties: (n_users,) bool, whether the last event shares its time with the one before it.
        max_history: longest history that a recommender may read.
    """

    items: NDArray[np.str_]
    users: NDArray[np.str_]
    offsets: NDArray[np.int64]
    events: NDArray[np.uint32]
    times: NDArray[np.int64]
    train_end: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    ties: NDArray[np.bool_]
    max_history: int

    def __post_init__(self) -> None:
        n = len(self.users)
        per_user = (self.train_end, self.validation, self.test, self.ties)
        if len(self.offsets) != n + 1 or any(len(array) != n for array in per_user):
            raise InputError(f"sequences of {n} users hold arrays of another length")
        if len(self.events) and int(self.events.max()) >= len(self.items):
            raise InputError(
                f"sequences name item {int(self.events.max())}, but there are {len(self.items)} items"
            )

    @property
    def n_items(self) -> int:
        """Size of the catalogue."""
        return len(self.items)

    @property
    def n_users(self) -> int:
        """Number of users."""
        return len(self.users)

    @property
    def owners(self) -> NDArray[np.int64]:
        """The user of each event, (n_events,)."""
        return np.repeat(np.arange(self.n_users), np.diff(self.offsets))

    def history(self, user: int) -> NDArray[np.uint32]:
        """All events of one user, in time order."""
        return self.events[self.offsets[user] : self.offsets[user + 1]]

    def training(self) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Offsets and events of all users' training histories; a user without any has an empty row."""
        return self._cut(np.zeros_like(self.train_end), self.train_end, np.arange(self.n_users))

    def targets(self, split: Split) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Users that have a target in `split`, and that target."""
        position = getattr(self, split)
        users = np.flatnonzero(position >= 0)
        return users, self.events[self.offsets[users] + position[users]]

    def input_history(self, split: Split) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Offsets and events of what is known before the target, the latest `max_history` events of it.

        Rows are those of `targets(split)`. The input of a test includes the validation item.
        """
        users, _ = self.targets(split)
        stop = getattr(self, split)[users]
        return self._cut(np.maximum(stop - self.max_history, 0), stop, users)

    def training_items(self) -> NDArray[np.bool_]:
        """Which items have a training event, (n_items,) bool."""
        return np.bincount(self.training()[1], minlength=self.n_items) > 0

    def item_index(self) -> dict[str, int]:
        """Original id to item index."""
        return {str(item): row for row, item in enumerate(self.items)}

    def _cut(
        self, start: NDArray[np.int64], stop: NDArray[np.int64], users: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        lengths = stop - start
        offsets = np.zeros(len(users) + 1, dtype=np.int64)
        np.cumsum(lengths, out=offsets[1:])
        first = np.repeat(self.offsets[users] + start - offsets[:-1], lengths)
        return offsets, self.events[first + np.arange(offsets[-1])]

    def save(self, folder: Path) -> None:
        """Write `sequences.npz` into `folder`."""
        npz.write(
            folder / FILE, {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `sequences.npz` of `folder`."""
        arrays = npz.read(folder / FILE, tuple(field.name for field in fields(cls)))
        max_history = int(arrays.pop("max_history"))
        return cls(**arrays, max_history=max_history)

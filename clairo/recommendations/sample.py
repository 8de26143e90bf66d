"""Whom the model and its rivals are measured on, and under which conditions."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from clairo import rng
from clairo.artifacts import Sequences
from clairo.artifacts.sequences import Split
from clairo.rivals.histories import Histories


@dataclass(frozen=True)
class Condition:
    """Lists that belong together: a split, with or without items of the history."""

    name: str
    split: Split
    masked: bool


CONDITIONS = (
    Condition("validation", "validation", masked=False),
    Condition("test", "test", masked=False),
    Condition("masked", "test", masked=True),
)
SPLITS: tuple[Split, ...] = ("validation", "test")


@dataclass(frozen=True)
class Sample:
    """The users of one split that are measured, in ascending order.

    Attributes:
        split: the split.
        users: (n,) int64 user indices.
        targets: (n,) uint32 item indices.
        read: what a recommender may read of each user (at most the sequences' `max_history` events).
        known: everything before each user's target.
        of: how many users have a target in the split.
    """

    split: Split
    users: NDArray[np.int64]
    targets: NDArray[np.uint32]
    read: Histories
    known: Histories
    of: int

    @classmethod
    def draw(cls, sequences: Sequences, split: Split, *, size: int | None, seed: int) -> Self:
        """All users with a target, or `size` of them.

        One random order of all users decides for every split, so that a user who is drawn for validation is
        drawn for test as well where the splits have the same users.
        """
        users, targets = sequences.targets(split)
        rows = np.arange(len(users))
        if size is not None and size < len(users):
            place = rng.generator(seed, "recommendations", "users").permutation(sequences.n_users)
            rows = np.sort(np.argsort(place[users])[:size])
        read, known = Histories.read(sequences, split), Histories.known(sequences, split)
        return cls(split, users[rows], targets[rows], read.take(rows), known.take(rows), len(users))

    @property
    def conditions(self) -> list[Condition]:
        """The conditions that this split is measured under."""
        return [condition for condition in CONDITIONS if condition.split == self.split]

    def summary(self) -> dict[str, int | bool]:
        """Sizes, for the report."""
        return {"users": len(self.users), "of": self.of, "sampled": len(self.users) < self.of}

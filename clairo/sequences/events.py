"""Events as parallel arrays, and the filters that leave some of them out."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Events:
    """Who bought what and when; all arrays are (n_events,) int64, in the order of the published file.

    Attributes:
        user: index of the user.
        item: index of the item.
        time: unix seconds, -1 where unknown.
    """

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    time: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.user)

    def keep(self, which: NDArray[np.bool_]) -> Self:
        """The events that `which`, (n_events,) bool, marks."""
        return type(self)(self.user[which], self.item[which], self.time[which])

    def in_order(self) -> Self:
        """User by user, each in time order; equal times keep the order of the published file."""
        order = np.lexsort((self.time, self.user))  # lexsort is stable
        return type(self)(self.user[order], self.item[order], self.time[order])


def first_of_pairs(events: Events) -> NDArray[np.bool_]:
    """Marks each (user, item) pair's earliest event; at equal times that which the file names first."""
    order = np.lexsort((events.time, events.item, events.user))
    user, item = events.user[order], events.item[order]
    first = np.ones(len(events), dtype=np.bool_)
    first[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
    marks = np.empty(len(events), dtype=np.bool_)
    marks[order] = first
    return marks


def k_core(events: Events, min_user: int, min_item: int) -> NDArray[np.bool_]:
    """Marks the events of the largest set in which every user and every item has enough events.

    Dropping a user can leave an item with too few events and the other way round, so both filters repeat
    until nothing more falls. The result does not depend on their order.
    """
    kept = np.ones(len(events), dtype=np.bool_)
    while True:
        users, items = np.bincount(events.user[kept]), np.bincount(events.item[kept])
        good = kept.copy()
        good[kept] = (users[events.user[kept]] >= min_user) & (items[events.item[kept]] >= min_item)
        if good.sum() == kept.sum():
            return kept
        kept = good

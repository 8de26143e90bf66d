"""Events as parallel arrays, their order, and the filters that leave some of them out."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Events:
    """Who chose what and when; events are in the order of the published file.

    Attributes:
        user: (n_events,) int64, row of `users`.
        item: (n_events,) int64, row of `items`.
        time: (n_events,) int64 unix seconds, -1 where unknown.
        users: (n_users,) original user ids.
        items: (n_items,) original item ids.
    """

    user: NDArray[np.int64]
    item: NDArray[np.int64]
    time: NDArray[np.int64]
    users: NDArray[np.str_]
    items: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.user)

    def keep(self, which: NDArray[np.bool_]) -> Self:
        """The events that `which`, (n_events,) bool, marks, with the same ids."""
        return replace(self, user=self.user[which], item=self.item[which], time=self.time[which])

    def in_order(self) -> Self:
        """User by user, each in time order; equal times keep the order of the published file."""
        order = np.lexsort((self.time, self.user))  # lexsort is stable
        return replace(self, user=self.user[order], item=self.item[order], time=self.time[order])

    def compact(self) -> tuple[Self, NDArray[np.int64]]:
        """Only the users and items that have an event, in the same order; and the old rows of the items."""
        user_rows, user = np.unique(self.user, return_inverse=True)
        item_rows, item = np.unique(self.item, return_inverse=True)
        users, items = self.users[user_rows], self.items[item_rows]
        return replace(self, user=user, item=item, users=users, items=items), item_rows

    def counts(self) -> dict[str, int]:
        """Users and items that have an event, and events."""
        users, items = np.unique(self.user), np.unique(self.item)
        return {"users": len(users), "items": len(items), "events": len(self)}


def first_of_pairs(events: Events) -> NDArray[np.bool_]:
    """Marks each (user, item) pair's earliest event; at equal times that which the file names first."""
    order = np.lexsort((events.time, events.item, events.user))
    user, item = events.user[order], events.item[order]
    first = np.ones(len(events), dtype=np.bool_)
    first[1:] = (user[1:] != user[:-1]) | (item[1:] != item[:-1])
    marks = np.empty(len(events), dtype=np.bool_)
    marks[order] = first
    return marks


def k_core(events: Events, min_user: int, min_item: int) -> tuple[NDArray[np.bool_], int]:
    """Marks the events of the largest set in which every user and every item has enough events.

    Dropping a user can leave an item with too few events and the other way round, so both filters repeat
    until nothing more falls. The result does not depend on their order.

    Returns:
        The marks, (n_events,) bool, and how many rounds dropped something.
    """
    kept = np.ones(len(events), dtype=np.bool_)
    for rounds in range(len(events) + 1):
        user, item = events.user[kept], events.item[kept]
        good = (np.bincount(user)[user] >= min_user) & (np.bincount(item)[item] >= min_item)
        if good.all():
            return kept, rounds
        kept[kept] = good
    raise AssertionError("a round drops an event or is the last")

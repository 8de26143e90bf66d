"""Who buys in the shop, and on which days."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clairo import rng
from clairo.shop.catalogue import PERIOD, Catalogue, identifiers

SHORTEST, MEAN, LONGEST = 5, 9.0, 25
"""Purchases of a shopper: the fewest, the mean before the cut, the most."""
LAST_FROM = 0.8
"""Last purchases fall into the part of the period from here on, so that many targets are new items."""


@dataclass(frozen=True, slots=True)
class Shoppers:
    """Row = shopper, sorted by id.

    Attributes:
        ids: reviewer ids, str (n_users,).
        theme: main and second theme, uint8 (n_users, 2); they may be equal.
        look: main and second look, uint8 (n_users, 2).
        offsets: purchases of shopper u are offsets[u]:offsets[u + 1], int64 (n_users + 1,).
        days: day of each purchase, from day 0, int32 (n_events,); they never fall within a shopper.
    """

    ids: NDArray[np.str_]
    theme: NDArray[np.uint8]
    look: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    days: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.ids)


def invite(users: int, catalogue: Catalogue, *, seed: int, ties: float) -> Shoppers:
    """`users` shoppers; about a share `ties` of all purchases falls on the day of the purchase before it.

    A shopper's main taste is theme and look of an item drawn at random, and so is the second: a taste that
    many items meet is as much more frequent.
    """
    random = rng.generator(seed, "shop", "shoppers")
    favourites = random.permutation(2 * users).reshape(users, 2) % len(catalogue)
    extra = random.geometric(1 / (1 + MEAN - SHORTEST), size=users) - 1
    lengths = np.minimum(SHORTEST + extra, min(LONGEST, len(catalogue) // 2))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Shoppers(
        ids=identifiers("A", 13, users, random),
        theme=catalogue.theme[favourites],
        look=catalogue.look[favourites],
        offsets=offsets,
        days=_tie(_days(lengths, offsets, random), offsets, ties, random),
    )


def same_day(shoppers: Shoppers) -> NDArray[np.bool_]:
    """Purchases on the day of the same shopper's purchase before, bool (n_events,)."""
    tied = np.concatenate([[False], np.diff(shoppers.days) == 0])
    tied[shoppers.offsets[:-1]] = False
    return tied


def _days(
    lengths: NDArray[np.int64], offsets: NDArray[np.int64], random: np.random.Generator
) -> NDArray[np.int32]:
    """Distinct rising days: the last one late in the period, the others anywhere in the time before it."""
    last = (PERIOD * random.uniform(LAST_FROM, 1.0, size=len(lengths))).astype(np.int64) - 1
    first = (last * random.uniform(0.0, 0.7, size=len(lengths))).astype(np.int64)
    days = np.empty(offsets[-1], dtype=np.int32)
    for user, n in enumerate(lengths):
        spread = np.sort(random.integers(first[user], last[user] - n + 2, size=n)) + np.arange(n)
        days[offsets[user] : offsets[user + 1]] = spread
    days[offsets[1:] - 1] = last
    return days


def _tie(
    days: NDArray[np.int32], offsets: NDArray[np.int64], share: float, random: np.random.Generator
) -> NDArray[np.int32]:
    later = np.ones(len(days), dtype=bool)
    later[offsets[:-1]] = False
    candidates = np.flatnonzero(later)
    chosen = random.choice(candidates, size=min(round(share * len(days)), len(candidates)), replace=False)
    for event in np.sort(chosen):
        days[event] = days[event - 1]
    return days

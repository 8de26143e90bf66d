"""What the shop sells: items with a theme (in their words), a look (in their picture) and a kind."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clairo import rng
from clairo.shop.looks import LOOKS
from clairo.shop.words import KINDS, THEMES

PERIOD = 2000
"""Days that the shop is open."""
NEW_SHARE = 0.25
"""Share of the items that come late."""
NEW_FROM, NEW_TO = 0.7, 0.9
"""The part of the period in which they come; the others are there from the first day."""
HURRY = 0.9
"""A new item sells faster by (share of the period that it has)^-HURRY: nearly as much in less time."""
TAIL_SPREAD, TAIL_FLOOR = 1.0, 0.8
"""Demand is log-normal with this spread, but never below this times its median: most items sell little."""

_LETTERS = np.array(list("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Row = item, sorted by id.

    Attributes:
        ids: ASINs, str (n_items,).
        theme: row of `words.THEMES`, uint8 (n_items,); independent of look and kind.
        look: row of `looks.LOOKS`, uint8 (n_items,).
        kind: row of `words.KINDS`, uint8 (n_items,).
        demand: how eagerly the item is bought at equal taste, float64 (n_items,).
        birth: day on which it is first for sale, int32 (n_items,), counted from the shop's first.
    """

    ids: NDArray[np.str_]
    theme: NDArray[np.uint8]
    look: NDArray[np.uint8]
    kind: NDArray[np.uint8]
    demand: NDArray[np.float64]
    birth: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.ids)


def stock(items: int, seed: int) -> Catalogue:
    """A catalogue of `items` items."""
    random = rng.generator(seed, "shop", "catalogue")
    birth = np.zeros(items, dtype=np.int32)
    new = random.permutation(items)[: round(NEW_SHARE * items)]
    birth[new] = (random.uniform(NEW_FROM, NEW_TO, len(new)) * PERIOD).astype(np.int32)
    demand = np.maximum(np.exp(TAIL_SPREAD * random.standard_normal(items)), TAIL_FLOOR)
    return Catalogue(
        ids=identifiers("B0", 8, items, random),
        theme=_deal(items, len(THEMES), random),
        look=_deal(items, len(LOOKS), random),
        kind=_deal(items, len(KINDS), random),
        # Rounded, so that the last bit of a machine's exp and pow does not reach the files.
        demand=np.round(demand * (1 - birth / PERIOD) ** -HURRY, 4),
        birth=birth,
    )


def identifiers(start: str, length: int, n: int, random: np.random.Generator) -> NDArray[np.str_]:
    """`n` distinct ids of `start` and `length` capital letters and digits, sorted."""
    found: NDArray[np.str_] = np.empty(0, dtype=f"U{len(start) + length}")
    while len(found) < n:
        letters = _LETTERS[random.integers(len(_LETTERS), size=(n, length))]
        drawn = np.array([start + "".join(row) for row in letters])
        found = np.unique(np.concatenate([found, drawn]))
    return np.sort(random.permutation(found)[:n])


def _deal(n: int, values: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """`n` values below `values`, each as often as every other, in random order."""
    return (random.permutation(n) % values).astype(np.uint8)

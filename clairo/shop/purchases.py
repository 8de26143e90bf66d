"""How shoppers choose: the planted probabilities, and the purchases drawn from them."""

import numpy as np
from numpy.typing import NDArray

from clairo import log, rng
from clairo.shop.catalogue import Catalogue
from clairo.shop.looks import LOOKS
from clairo.shop.shoppers import Shoppers
from clairo.shop.words import KINDS, THEMES

MAIN, SECOND = 0.8, 0.1
"""Weight of the main and of the second theme (and look); the rest is spread evenly over all."""
CHAIN = 0.7
"""Probability that the next purchase is of the kind that follows in the chain; the rest is even."""

Probabilities = NDArray[np.float64]


def chain() -> NDArray[np.float64]:
    """Probability of the next kind, float64 (kinds + 1, kinds): row = kind bought last, row -1 = none yet."""
    n = len(KINDS)
    steps = np.full((n + 1, n), (1 - CHAIN) / (n - 1))
    steps[np.arange(n), (np.arange(n) + 1) % n] = CHAIN
    steps[n] = 1 / n
    return steps


_STEPS = chain()


def appeal(catalogue: Catalogue, shoppers: Shoppers, user: int) -> NDArray[np.float64]:
    """What each item is to the shopper, kind and day aside: demand times theme times look, (n_items,)."""
    theme = _taste(shoppers.theme[user], len(THEMES))
    look = _taste(shoppers.look[user], len(LOOKS))
    return catalogue.demand * theme[catalogue.theme] * look[catalogue.look]


def _taste(favourites: NDArray[np.uint8], n: int) -> NDArray[np.float64]:
    weights = np.full(n, (1 - MAIN - SECOND) / n)
    weights[favourites[0]] += MAIN
    weights[favourites[1]] += SECOND
    return weights


def probabilities(
    catalogue: Catalogue, appeal: NDArray[np.float64], *, day: int, previous: int
) -> Probabilities:
    """Probability of each item to be the next purchase, float64 (n_items,), sum 1.

    First the kind is drawn by the chain among the kinds that still have something to sell, then the item of
    that kind in proportion to its appeal.

    Args:
        catalogue: what is sold.
        appeal: of this shopper, with zero for what the shopper has bought.
        day: items born later are not for sale.
        previous: kind of the purchase before, -1 for the first.
    """
    open_appeal = np.where(catalogue.birth <= day, appeal, 0.0)
    total = np.bincount(catalogue.kind, open_appeal, len(KINDS))
    kinds = np.where(total > 0, _STEPS[previous], 0.0)
    scale = kinds / kinds.sum() / np.where(total > 0, total, 1.0)
    return np.asarray(open_appeal * scale[catalogue.kind])


def simulate(catalogue: Catalogue, shoppers: Shoppers, seed: int) -> NDArray[np.uint32]:
    """The item of every purchase, uint32 (n_events,); no shopper buys an item twice."""
    luck = rng.generator(seed, "shop", "purchases").random(len(shoppers.days))
    events = np.empty(len(shoppers.days), dtype=np.uint32)
    with log.step("shop: purchases", total=len(shoppers)) as step:
        for user in range(len(shoppers)):
            rows = slice(*shoppers.offsets[user : user + 2])
            events[rows] = _walk(
                catalogue, appeal(catalogue, shoppers, user), shoppers.days[rows], luck[rows]
            )
            step.advance()
    return events


def _walk(
    catalogue: Catalogue,
    wanted: NDArray[np.float64],
    days: NDArray[np.int32],
    luck: NDArray[np.float64],
) -> NDArray[np.uint32]:
    """One shopper's purchases; `wanted` is used up."""
    bought = np.empty(len(days), dtype=np.uint32)
    previous = -1
    for position, (day, chance) in enumerate(zip(days, luck, strict=True)):
        steps = np.cumsum(probabilities(catalogue, wanted, day=int(day), previous=previous))
        item = int(np.searchsorted(steps, chance * steps[-1], side="right"))
        bought[position] = item
        wanted[item] = 0.0
        previous = int(catalogue.kind[item])
    return bought

"""What was planted, and the best score that anybody could reach who knew it."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clairo import metrics
from clairo.errors import InputError
from clairo.shop.catalogue import Catalogue
from clairo.shop.purchases import Probabilities, appeal, probabilities
from clairo.shop.shoppers import Shoppers

TRUTH = "truth.npz"


@dataclass(frozen=True, slots=True)
class Truth:
    """Everything that the generator knew.

    Attributes:
        catalogue: the items and what each is.
        shoppers: the users, their tastes and their days.
        events: row of the catalogue of every purchase, uint32 (n_events,), aligned with `shoppers.days`.
    """

    catalogue: Catalogue
    shoppers: Shoppers
    events: NDArray[np.uint32]

    def save(self, folder: Path) -> Path:
        """Write `truth.npz` into `folder`."""
        arrays = {f"item_{name}": values for name, values in asdict(self.catalogue).items()}
        arrays |= {f"user_{name}": values for name, values in asdict(self.shoppers).items()}
        np.savez(folder / TRUTH, events=self.events, **arrays)
        return folder / TRUTH

    @classmethod
    def load(cls, folder: Path) -> "Truth":
        """Read what `save` wrote into `folder`.

        Raises:
            InputError: the folder holds no built-in shop.
        """
        path = folder / TRUTH
        if not path.is_file():
            raise InputError(f"{path} does not exist", hint="a folder that `clairo shop` wrote is needed")
        with np.load(path, allow_pickle=False) as arrays:
            return cls(
                catalogue=Catalogue(**{name: arrays[f"item_{name}"] for name in Catalogue.__slots__}),
                shoppers=Shoppers(**{name: arrays[f"user_{name}"] for name in Shoppers.__slots__}),
                events=arrays["events"],
            )

    def history(self, user: int) -> NDArray[np.uint32]:
        """Purchases of a user (row), in order."""
        start, end = self.shoppers.offsets[user : user + 2]
        return self.events[start:end]

    def next_item(self, user: int, position: int) -> Probabilities:
        """Probability of each item to be purchase `position` of the user, given all that went before.

        What the user has bought has probability zero, so the ranking is the same with and without masking.
        """
        before = self.history(user)[:position]
        wanted = appeal(self.catalogue, self.shoppers, user)
        wanted[before] = 0.0
        return probabilities(
            self.catalogue,
            wanted,
            day=int(self.shoppers.days[self.shoppers.offsets[user] + position]),
            previous=int(self.catalogue.kind[before[-1]]) if position else -1,
        )


def best_ranks(truth: Truth) -> NDArray[np.int64]:
    """Rank (from 0) of every user's last purchase among all items by the planted chances, (n_users,)."""
    ranks = np.empty(len(truth.shoppers), dtype=np.int64)
    for user in range(len(truth.shoppers)):
        history = truth.history(user)
        chances = truth.next_item(user, len(history) - 1)
        target = history[-1]
        equal = np.flatnonzero(chances == chances[target])
        ranks[user] = (chances > chances[target]).sum() + (equal < target).sum()
    return ranks


def best_scores(
    folder: Path, *, users: Collection[str] | None = None, ks: tuple[int, ...] = (5, 10)
) -> dict[str, dict[str, float]]:
    """Recall and NDCG on every user's last purchase for one who knows the truth: the ceiling of the shop.

    It knows the user's taste, what every item is, the chain, demand and what is for sale that day; only
    chance is unknown to it. `test` and `masked` (items of the history held back) are equal, since nobody buys
    an item twice.

    Args:
        folder: what `write_shop` wrote.
        users: reviewer ids to average over, such as those that a filter left; all where None.
        ks: cut-offs.

    Raises:
        InputError: `folder` holds no built-in shop, or not one of `users` is in it.
    """
    truth = Truth.load(folder)
    ranks = best_ranks(truth)
    if users is not None:
        ranks = ranks[np.isin(truth.shoppers.ids, sorted(users))]
        if not len(ranks):
            raise InputError(f"none of the {len(users)} users named shops in {folder}")
    scores = metrics.summary(ranks, ks)
    return {"test": scores, "masked": dict(scores)}

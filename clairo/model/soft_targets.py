"""Soft targets: examples that learn what a linear item-to-item recommends in place of the item that came.

Distillation (Hinton et al., arXiv 1503.02531) by drawing: in every epoch some targets give way to an item of
the list after the same history, so that over the epochs the model learns the distribution of the list. What
came once says little where most pairs of items are seen once or never; the list gathers it over all users.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np

from clairo import log, rng
from clairo.errors import InputError
from clairo.rivals.counted import ItemToItem, Popularity, slabs
from clairo.rivals.histories import Histories
from clairo.rivals.linear import Moments, gigabytes
from clairo.rivals.lists import top
from clairo.tokens import flat_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clairo.artifacts import Sequences
    from clairo.config import SoftTargetsConfig
    from clairo.model.examples import Examples


@dataclass
class SoftTargets:
    """The best items after the history of each example.

    Attributes:
        items: (n_examples, k) uint32.
        below: (n_examples, k) float32: the probability that an item or one before it is drawn; all 0 where no
            item scored above 0, so that there is nothing to draw.
        share: of the examples whose target is drawn.
        seed: of what is drawn.
    """

    items: NDArray[np.uint32]
    below: NDArray[np.float32]
    share: float
    seed: int
    _chances: tuple[int, NDArray[np.float32]] | None = field(default=None, init=False, repr=False)

    @classmethod
    def fit(cls, sequences: Sequences, examples: Examples, cfg: SoftTargetsConfig, seed: int) -> Self:
        """Fit the weights to the training events, and rank the catalogue after every example's history.

        Takes 8 bytes of memory an item of a list.

        Raises:
            InputError: the catalogue is above `cfg.most_items`.
        """
        n_items = sequences.n_items
        if n_items > cfg.most_items:
            raise InputError(
                f"model.soft_targets needs at most {cfg.most_items} items, and there are {n_items}",
                hint="set model.soft_targets.share to 0, or raise model.soft_targets.most_items, "
                f"which takes {gigabytes(n_items)}",
            )
        moments = Moments.count(sequences, past=cfg.past, future=cfg.future, together=cfg.together)
        teacher = ItemToItem(
            moments.fit(cfg.penalty, kept=cfg.kept), cfg.decay, np.zeros(n_items), Popularity.count(sequences)
        )
        k = min(cfg.items, n_items)
        items = np.empty((len(examples), k), dtype=np.uint32)
        below = np.empty((len(examples), k), dtype=np.float32)
        with log.step("soft targets", total=len(examples)) as step:
            for rows in slabs(np.arange(len(examples)), n_items):
                histories = flat_rows(examples.start[rows], examples.target[rows], examples.events)
                scores = teacher.scores(Histories(*histories))
                best = top(scores, k)
                weights = np.where(best.scores > 0, np.maximum(best.scores, 0) ** cfg.power, 0)
                total = weights.sum(axis=1, keepdims=True)
                items[rows] = best.items
                below[rows] = np.divide(weights.cumsum(axis=1), total, where=total > 0, out=0 * weights)
                step.advance(len(rows))
        return cls(items, below, cfg.share, seed)

    def drawn(self, rows: NDArray[np.int64], came: NDArray[np.uint32], epoch: int) -> NDArray[np.uint32]:
        """The targets of the examples `rows` in `epoch`, `came` where none is drawn.

        They depend on the seed, the epoch and the example, whichever batch that is in.
        """
        chances = self._chances_of(epoch)[rows]
        below = self.below[rows]
        place = (below <= chances[:, 1:]).sum(axis=1)
        soft = (chances[:, 0] < self.share) & (place < below.shape[1])
        drawn = self.items[rows, np.minimum(place, below.shape[1] - 1)]
        return np.where(soft, drawn, came)

    def _chances_of(self, epoch: int) -> NDArray[np.float32]:
        """Two numbers in [0, 1) an example: whether its target is drawn, and which."""
        if self._chances is None or self._chances[0] != epoch:
            generator = rng.generator(self.seed, "soft targets", epoch)
            self._chances = epoch, generator.random((len(self.items), 2), dtype=np.float32)
        return self._chances[1]

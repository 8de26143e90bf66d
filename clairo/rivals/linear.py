"""Item-to-item weights that are fitted instead of counted: what each item of a history says of the next ones.

Ridge regression with a closed form, after SLIST (Choi et al., WWW 2021). It weighs all items of a history
against one another, so that two that always come together do not count twice, as they do where pairs are
counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from clairo.rivals.counted import Neighbours, slabs
from clairo.rivals.histories import Histories
from clairo.rivals.lists import top

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy import sparse

    from clairo.artifacts import Sequences

_BYTES_A_PAIR = 16  # of items, while the weights are fitted: two tables of doubles
_LEAST = 1e-3  # decayed weights below it are left out
_DECIMALS = 9  # of the weights: what is equal stays so, whatever order the products were added up in


@dataclass(frozen=True)
class Moments:
    """What the weights are solved from: sums over the training part of all histories.

    Every event teaches once. Before it lies h, the items read so far, those d events back with weight
    past ** (d - 1); from it on lies f, the items that come, those d events later with weight future ** d. And
    every user teaches with b, the set of items in the history: each of them is a sign of the others.

    Attributes:
        gram: (n_items, n_items) float64, the sum of h' h over events and of `together` * b' b over users.
        cross: (n_items, n_items) float64, the sum of h' f and of `together` * b' b without its diagonal: the
            set does not make an item a sign of itself. (SLIST has that as a constraint on the weights.)
    """

    gram: sparse.csr_matrix
    cross: sparse.csr_matrix

    @classmethod
    def count(cls, sequences: Sequences, *, past: float, future: float, together: float) -> Self:
        """Add up what the training events say; `past` and `future` in [0, 1], `together` from 0 on."""
        from scipy import sparse  # here, so that a machine that only searches does without

        histories, n_items = Histories(*sequences.training()), sequences.n_items
        before = _near(histories, n_items, past, first=1, ahead=False)
        after = _near(histories, n_items, future, first=0, ahead=True)
        held = sparse.csr_matrix(
            (np.ones(len(histories.events)), (histories.owners, histories.events)),
            shape=(len(histories), n_items),
        )
        held.data[:] = 1  # duplicates were added up
        both = together * (held.T @ held)
        others = both - sparse.diags(both.diagonal())
        return cls((before.T @ before + both).tocsr(), (before.T @ after + others).tocsr())

    def fit(self, penalty: float, *, kept: int) -> Neighbours:
        """The weights W that solve (gram + penalty * I) W = cross, of each row the `kept` furthest from 0.

        Takes 16 bytes of memory a pair of items, and time with the cube of their number.
        """
        from scipy.linalg import cho_factor, cho_solve

        gram = self.gram.toarray(order="F")
        np.fill_diagonal(gram, gram.diagonal() + penalty)
        factor = cho_factor(gram, lower=True, overwrite_a=True, check_finite=False)
        right = self.cross.toarray(order="F")
        weights: NDArray[np.float64] = cho_solve(factor, right, overwrite_b=True, check_finite=False)
        return _strongest(weights, kept)


def gigabytes(n_items: int) -> str:
    """Memory that a fit to so many items takes, in words."""
    return f"{_BYTES_A_PAIR * n_items**2 / 1e9:.2g} GB of memory"


def _near(histories: Histories, n_items: int, decay: float, *, first: int, ahead: bool) -> sparse.csr_matrix:
    """For each event the items `first` events away and further, (n_events, n_items), decayed from there."""
    from scipy import sparse

    steps_back, events = histories.steps_back, histories.events.astype(np.int64)
    rows, items, weights = [], [], []
    longest = int(histories.lengths.max(initial=0))
    for distance in range(first, longest):
        weight = decay ** (distance - first)  # 0 ** 0 is 1
        if weight < _LEAST:
            break
        start = np.flatnonzero(steps_back >= distance)
        rows.append(start if ahead else start + distance)
        items.append(events[start + distance] if ahead else events[start])
        weights.append(np.full(len(start), weight))
    if not rows:
        return sparse.csr_matrix((len(events), n_items))
    cells = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(items)))
    return sparse.csr_matrix(cells, shape=(len(events), n_items))


def _strongest(weights: NDArray[np.float64], kept: int) -> Neighbours:
    """Of each row the `kept` weights furthest from 0; of equal ones those of the smaller items."""
    n_items = len(weights)
    found, values, lengths = [], [], []
    for rows in slabs(np.arange(n_items), n_items):
        part = weights[rows].round(_DECIMALS)
        order = np.sort(top(np.abs(part), kept).items, axis=1)
        strongest = np.take_along_axis(part, order, axis=1)
        there = strongest != 0
        found.append(order[there])
        values.append(strongest[there])
        lengths.append(there.sum(axis=1))
    starts = np.concatenate(([0], np.cumsum(np.concatenate(lengths))))
    return Neighbours(starts, np.concatenate(found), np.concatenate(values))

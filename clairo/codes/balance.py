"""Balanced assignment: items that agree in all codes but the last share the values of the last evenly.

As in LC-Rec and MQL4GRec the last codebook takes the blow, but the assignment is the best one instead of an
approximate one by Sinkhorn: among the items of one prefix no value is taken more often than the number of
items makes necessary, and with that the sum of the squared distances between vectors and reconstructions is
the least possible (linear assignment, `scipy.optimize.linear_sum_assignment`).
"""

import numpy as np
from numpy.typing import NDArray

from clairo import log
from clairo.codes.quantizer import Quantizer

_AT_ONCE = 1024  # items; the time of an assignment grows with their cube


def balanced(
    quantizer: Quantizer,
    vectors: NDArray[np.float32],
    codes: NDArray[np.uint32],
    fixed: NDArray[np.uint32] | None = None,
) -> NDArray[np.uint32]:
    """`codes` (n, books) of `vectors` (n, width) with the last code assigned anew where items collide.

    The items of a prefix are left alone if none of its values is taken more often than necessary. More than
    1,024 of them are taken that many at a time.

    Args:
        quantizer: what made the codes.
        vectors: of the items.
        codes: by `quantizer.encode`.
        fixed: (m, books) codes of items that keep theirs and take their share of the room.
    """
    n, made = len(codes), codes.copy()
    every = codes if fixed is None else np.concatenate([codes, fixed])
    _, group = np.unique(every[:, :-1], axis=0, return_inverse=True)
    order = np.argsort(group.ravel(), kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(group.ravel()[order])) + 1)
    with log.step("balance codes", total=len(parts)) as step:
        for part in parts:
            own = part[part < n]
            counts = np.bincount(every[part, -1], minlength=quantizer.values)
            if len(own) and counts.max() > _capacity(len(part), quantizer.values):
                taken = np.bincount(every[part[part >= n], -1], minlength=quantizer.values)
                made[own, -1] = _assigned(quantizer, vectors[own], codes[own[0]], taken)
            step.advance()
    return made


def _assigned(
    quantizer: Quantizer, vectors: NDArray[np.float32], row: NDArray[np.uint32], taken: NDArray[np.int64]
) -> NDArray[np.uint32]:
    """The last codes of items that have the prefix of `row`."""
    from scipy.optimize import linear_sum_assignment

    values = quantizer.values
    rows = np.repeat(row[None], values, axis=0)
    rows[:, -1] = np.arange(values)
    entries = quantizer.decode(rows).astype(np.float64)
    at_once = values * (_AT_ONCE // values) or _AT_ONCE  # whole rounds of the values, so that parts are even
    last = np.empty(len(vectors), dtype=np.uint32)
    for start in range(0, len(vectors), at_once):
        part = vectors[start : start + at_once].astype(np.float64)
        room = _capacity(int(taken.sum()) + len(part), values) - taken
        places = np.repeat(np.arange(values), np.clip(room, 0, len(part)))
        distances = (entries**2).sum(axis=1) - 2 * part @ entries.T  # but for the vectors' own lengths
        chosen = places[linear_sum_assignment(distances[:, places])[1]]
        last[start : start + at_once] = chosen
        taken = taken + np.bincount(chosen, minlength=values)
    return last


def _capacity(items: int, values: int) -> int:
    """How often a value has to be taken at most."""
    return -(-items // values)

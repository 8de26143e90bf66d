"""One more code, so that items with equal codes become different ones."""

from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clairo.errors import InputError

NAME = "disambiguation"
Method = Literal["sequential", "random"]


def disambiguate(
    features: NDArray[np.uint32],
    method: Method,
    *,
    values: int,
    generator: np.random.Generator,
    kept: NDArray[np.int64] | None = None,
) -> NDArray[np.uint32]:
    """A code below `values` for each row of `features` (n, n_categories), (n,) uint32.

    Rows that are equal get different codes. `sequential` numbers them from 0 in their order, so a row of its
    own gets 0; `random` draws them without replacement, as ActionPiece's release does, so a row of its own
    gets any.

    Raises:
        InputError: more rows are equal than there are values.
    """
    _, group, counts = np.unique(features, axis=0, return_inverse=True, return_counts=True)
    largest = int(counts.max(initial=0))
    if largest > values:
        n_full = int((counts > values).sum())
        raise InputError(
            f"{largest} items share one row of codes, and on {n_full} rows there are more items than "
            f"codes.disambiguation_values = {values}",
            hint=f"set codes.disambiguation_values = {largest} or more, or tell items apart better with "
            "more codes.books, more codes.values or other embeddings",
        )
    order = np.argsort(group.ravel(), kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)])
    codes = np.full(len(features), -1) if kept is None else kept.copy()
    for start, stop in pairwise(starts):
        rows = order[start:stop]
        values_in_order = np.arange(values) if method == "sequential" else generator.permutation(values)
        free = values_in_order[~np.isin(values_in_order, codes[rows])]
        new = rows[codes[rows] < 0]
        codes[new] = free[: len(new)]
    return codes.astype(np.uint32)

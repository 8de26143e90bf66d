"""How well a table of codes tells items apart, and how well it uses its codebooks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def collisions(features: NDArray[np.uint32]) -> dict[str, int]:
    """How many items share all their codes with another.

    Args:
        features: (n, n_categories), without the disambiguation code.

    Returns:
        `rows` that differ, `shared_rows` that more than one item has, `colliding_items` on them, and the
        `largest_group` of items on one row.
    """
    if not len(features):
        return {"rows": 0, "shared_rows": 0, "colliding_items": 0, "largest_group": 0}
    counts = np.unique(features, axis=0, return_counts=True)[1]
    shared = counts[counts > 1]
    return {
        "rows": len(counts),
        "shared_rows": len(shared),
        "colliding_items": int(shared.sum()),
        "largest_group": int(counts.max()),
    }


def usage(column: NDArray[np.uint32], values: int) -> dict[str, Any]:
    """How many of a codebook's `values` occur, and their perplexity.

    Perplexity is 2 to the entropy of their shares (in bits): the number of values in equal use that would
    tell items apart as well.
    """
    counts = np.bincount(column, minlength=values)
    shares = counts[counts > 0] / max(counts.sum(), 1)
    perplexity = float(2 ** -(shares * np.log2(shares)).sum())
    return {"values": values, "used": int((counts > 0).sum()), "perplexity": round(perplexity, 4)}

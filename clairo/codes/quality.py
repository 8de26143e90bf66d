"""How well a table of codes tells items apart, uses its codebooks, and keeps what vectors say."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SAME = 1e-5  # of squared lengths: distances that differ by less are equal but for rounding
_NEIGHBOURS = 10
_ASKED = 1000
_AT_ONCE = 64


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


def neighbours_kept(
    vectors: NDArray[np.float32],
    decoded: NDArray[np.float32],
    generator: np.random.Generator,
    *,
    k: int = _NEIGHBOURS,
    asked: int = _ASKED,
) -> float | None:
    """Share of an item's `k` nearest neighbours among `vectors` that are its nearest among `decoded` too.

    Both are (n, width); distances are Euclidean, and an item is no neighbour of itself. Items as far as the
    last of the `k` are each a neighbour in part, so that the order of items decides nothing: codes that make
    all items equal keep k / (n - 1). The mean over all items, or over `asked` that the generator draws.
    None for fewer than two items.
    """
    n = len(vectors)
    if n < 2:
        return None
    items = np.sort(generator.permutation(n)[:asked])
    k = min(k, n - 1)
    spaces, kept = (_Space(vectors), _Space(decoded)), 0.0
    for part in np.array_split(items, -(-len(items) // _AT_ONCE)):
        before, after = (space.nearness(part, k) for space in spaces)
        kept += float(np.minimum(before, after).sum()) / k
    return kept / len(items)


class _Space:
    """Vectors among which neighbours are looked for."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors - vectors.mean(axis=0)
        self._squares = np.einsum("nw,nw->n", self._vectors, self._vectors, dtype=np.float64)

    def nearness(self, items: NDArray[np.int64], k: int) -> NDArray[np.float64]:
        """(len(items), n), rows sum to `k`: 1 if nearer than the k-th; those as far as it share the rest."""
        own = self._squares[items, None]
        distances = own + self._squares - 2 * (self._vectors[items] @ self._vectors.T)
        distances[np.arange(len(items)), items] = np.inf
        last = np.partition(distances, k - 1, axis=1)[:, k - 1, None]
        tolerance = _SAME * (own + self._squares.mean())
        nearer = distances < last - tolerance
        equal = ~nearer & (distances <= last + tolerance)
        shares: NDArray[np.float64] = nearer + equal * ((k - nearer.sum(axis=1)) / equal.sum(axis=1))[:, None]
        return shares

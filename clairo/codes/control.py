"""The control without content: codes that say nothing of an item."""

import hashlib

import numpy as np
from numpy.typing import NDArray


def random_codes(
    items: NDArray[np.str_], *, group: str, books: int, values: int, seed: int
) -> NDArray[np.uint32]:
    """Codes (n_items, books) drawn evenly below `values`, a power of two up to 65,536.

    They are a hash of seed, group and item id, so an item has the same ones whatever stands beside it: one
    that is added later gets those that it would have had from the start.
    """
    rows = np.empty((len(items), books), dtype=np.uint32)
    for row, item in enumerate(items):
        drawn = hashlib.shake_256(f"{seed}/codes/random/{group}/{item}".encode()).digest(4 * books)
        rows[row] = np.frombuffer(drawn, dtype="<u4")
    return rows % np.uint32(values)

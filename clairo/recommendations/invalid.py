"""Whether what the search spells out names an item, judged by the vocabulary and not by the trie."""

import numpy as np
from numpy.typing import NDArray

from clairo.tokens import OFFSET, Trie
from clairo.vocabulary import Vocabulary


def invalid(
    items: NDArray[np.int64], trie: Trie, vocabulary: Vocabulary, features: NDArray[np.uint32]
) -> NDArray[np.bool_]:
    """Which of `items`, as the trie spells them, do not name that item, (n,) bool.

    Each sequence of tokens is read off the edges from the root to the item's leaf, decoded by the vocabulary
    and looked up in the item table: it is invalid if it decodes to no item, to none of the table, or to
    another one than the search reported.
    """
    table = {tuple(row): item for item, row in enumerate(features.tolist())}
    found = np.empty(len(items), dtype=np.bool_)
    for row, (item, path) in enumerate(zip(items.tolist(), paths(trie, items), strict=True)):
        values = vocabulary.decode(np.array(path, dtype=np.int64))
        found[row] = values is None or table.get(tuple(values.tolist())) != item
    return found


def paths(trie: Trie, items: NDArray[np.int64]) -> list[list[int]]:
    """The vocabulary's tokens on the way from the root to the leaf of each item."""
    above = np.repeat(
        np.arange(trie.n_nodes), np.diff(trie.child_start)
    )  # edge e leads from above[e] to e + 1
    leaves = np.flatnonzero(trie.leaf_item >= 0)
    leaf_of = np.zeros(trie.n_items, dtype=np.int64)
    leaf_of[trie.leaf_item[leaves]] = leaves
    return [_climb(int(above[leaf_of[item] - 1]), above, trie) for item in items.tolist()]


def _climb(node: int, above: NDArray[np.int64], trie: Trie) -> list[int]:
    """Tokens on the edges from the root down to `node`, which lies before the END of an item."""
    tokens = []
    while node:
        tokens.append(int(trie.child_token[node - 1]) - OFFSET)
        node = int(above[node - 1])
    return tokens[::-1]

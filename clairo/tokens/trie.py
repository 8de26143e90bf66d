"""The prefix tree of all items' token sequences: what may follow what, so that only items are generated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from clairo.errors import InputError
from clairo.tokens.batches import IGNORED, targets
from clairo.tokens.ids import END

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Trie:
    """A prefix tree in flat arrays; every path from the root spells the model ids of one item and then END.

    Nodes are numbered level by level, the root 0, siblings side by side in the order of their ids. So the
    edges out of node v are `child_start[v]:child_start[v + 1]`, and edge e leads to node e + 1: there is no
    array of child nodes. The leaves below a node stand side by side in the order of their sequences: the
    items below node v are `leaf_order[leaf_start[v]:leaf_stop[v]]`.

    Attributes:
        child_start: (n_nodes + 1,) int64.
        child_token: (n_nodes - 1,) int32, the model id on each edge (OFFSET added, END after an item's last).
        leaf_item: (n_nodes,) int32, the item of a node that an END leads to, else -1.
        sole_item: (n_nodes,) int32, the item that is the only one at or below the node, else -1.
        leaf_order: (n_items,) int32, all items in the order of their sequences.
        leaf_start, leaf_stop: (n_nodes,) int32, where the items at or below a node stand in that order.
        n_items: how many items it holds, numbered from 0.
        depth: edges of the longest path, END included.
    """

    child_start: NDArray[np.int64]
    child_token: NDArray[np.int32]
    leaf_item: NDArray[np.int32]
    sole_item: NDArray[np.int32]
    leaf_order: NDArray[np.int32]
    leaf_start: NDArray[np.int32]
    leaf_stop: NDArray[np.int32]
    n_items: int
    depth: int

    @property
    def n_nodes(self) -> int:
        """Number of nodes, the root included."""
        return len(self.leaf_item)

    @classmethod
    def build(cls, tokens: NDArray[np.uint32], offsets: NDArray[np.int64]) -> Self:
        """The trie of canonical token sequences, one row an item (see `Vocabulary.canonical`).

        Args:
            tokens: flat tokens of the vocabulary (without OFFSET).
            offsets: (n_items + 1,) where the rows lie.

        Raises:
            InputError: two items have the same sequence, or there is no item.
        """
        if len(offsets) < 2:
            raise InputError("a trie needs at least one item")
        labels = targets(tokens, offsets).astype(np.int32)
        order = np.lexsort(labels.T[::-1])
        rows = labels[order]
        new = _first_of_prefix(rows)
        _refuse_twins(rows, new, order)
        return cls(**_flatten(rows, new, order.astype(np.int32)), n_items=len(rows), depth=rows.shape[1])


def _first_of_prefix(rows: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Where a sorted row is the first with its prefix up to and including that column."""
    new = np.ones(rows.shape, dtype=np.bool_)
    np.logical_or.accumulate(rows[1:] != rows[:-1], axis=1, out=new[1:])
    new &= rows != IGNORED
    return new


def _refuse_twins(rows: NDArray[np.int32], new: NDArray[np.bool_], order: NDArray[np.int64]) -> None:
    twins = np.flatnonzero(((rows == END) & ~new).any(axis=1))
    if len(twins):
        first, second = sorted(int(item) for item in order[twins[0] - 1 : twins[0] + 1])
        raise InputError(
            f"items {first} and {second} have the same tokens, and {len(twins) - 1} more items have a twin",
            hint="items need codes that differ: see codes.disambiguation_values",
        )


def _flatten(
    rows: NDArray[np.int32], new: NDArray[np.bool_], order: NDArray[np.int32]
) -> dict[str, NDArray[Any]]:
    """Number the nodes level by level; the arrays of the trie by name."""
    n_nodes = 1 + int(np.count_nonzero(new))
    child_start = np.zeros(n_nodes + 1, dtype=np.int64)
    leaf_item = np.full(n_nodes, -1, dtype=np.int32)
    leaf_start = np.zeros(n_nodes, dtype=np.int32)
    leaf_stop = np.full(n_nodes, len(rows), dtype=np.int32)  # of the root; the others follow
    child_token = []
    parent = np.zeros(len(rows), dtype=np.int64)  # node of each row's prefix, one level up
    n_known = 1
    for level in range(rows.shape[1]):
        first, there = new[:, level], rows[:, level] != IGNORED
        node = np.cumsum(first) + (n_known - 1)
        n_new = int(np.count_nonzero(first))
        child_token.append(rows[first, level])
        child_start[1:] += np.bincount(parent[first], minlength=n_nodes)
        ends = rows[:, level] == END
        leaf_item[node[ends]] = order[ends]
        here = slice(n_known, n_known + n_new)
        leaf_start[here] = np.flatnonzero(first)
        leaf_stop[here] = leaf_start[here] + np.bincount(node[there] - n_known, minlength=n_new)
        parent = node
        n_known += n_new
    return {
        "child_start": np.cumsum(child_start),
        "child_token": np.concatenate(child_token),
        "leaf_item": leaf_item,
        "sole_item": np.where(leaf_stop - leaf_start == 1, order[leaf_start], np.int32(-1)),
        "leaf_order": order,
        "leaf_start": leaf_start,
        "leaf_stop": leaf_stop,
    }

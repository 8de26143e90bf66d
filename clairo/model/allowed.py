"""Which items a search may find: edges of the trie without such an item below them are pruned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

    from clairo.tokens import Trie


class Allowed:
    """Counts, for any edge of the trie and any row of a search, the allowed items below it.

    The leaves below a node stand side by side, so the count is the difference of two prefix sums. The sums
    take 4 bytes an item and set.

    Args:
        trie: of the catalogue.
        items: (sets, n_items) bool, what each set allows: one set for all rows, or sets of which each holds
            for as many rows as any other, one after the other.
        rows: rows of the search.

    Raises:
        ValueError: `items` is of another type or shape.
    """

    def __init__(self, trie: Trie, items: Tensor, rows: int) -> None:
        sets = len(items)
        if items.dtype != torch.bool or items.shape != (sets, trie.n_items):
            raise ValueError(f"allowed items must be (sets, {trie.n_items}) bool, not {tuple(items.shape)}")
        if not sets or rows % sets:
            raise ValueError(f"{sets} sets of allowed items do not divide {rows} rows among them")
        device = items.device
        self._items = items
        self._set = torch.arange(rows, device=device) // max(1, rows // sets)
        self._start = torch.from_numpy(trie.leaf_start).to(device, torch.int64)
        self._stop = torch.from_numpy(trie.leaf_stop).to(device, torch.int64)
        by_leaf = items[:, torch.from_numpy(trie.leaf_order).to(device, torch.int64)]
        self._upto = torch.nn.functional.pad(by_leaf.cumsum(dim=1, dtype=torch.int32), (1, 0))

    def leads_on(self, row: Tensor, edge: Tensor) -> Tensor:
        """Whether an allowed item lies below each edge, (n,) bool, for the rows (n,) that they belong to."""
        group, node = self._set[row], edge + 1
        return self._upto[group, self._stop[node]] > self._upto[group, self._start[node]]

    def items(self, rows: Tensor) -> Tensor:
        """What each of `rows` (n,) may find, (n, n_items) bool."""
        return self._items[self._set[rows]]

"""The trie against a dictionary of dictionaries."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clairo import InputError
from clairo.tokens import END, OFFSET, Trie

Row = tuple[int, ...]
ROWS = st.lists(
    st.lists(st.integers(1, 6), min_size=1, max_size=4).map(tuple), min_size=1, max_size=30, unique=True
)


def build(rows: list[Row]) -> Trie:
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return Trie.build(np.array([token for row in rows for token in row], dtype=np.uint32), offsets)


def nested(trie: Trie, node: int = 0) -> dict[int, Any] | int:
    """The trie as nested dictionaries of model ids, an item where END leads."""
    if trie.leaf_item[node] >= 0:
        return int(trie.leaf_item[node])
    edges = range(trie.child_start[node], trie.child_start[node + 1])
    return {int(trie.child_token[edge]): nested(trie, edge + 1) for edge in edges}


def nested_oracle(rows: list[Row]) -> dict[int, Any]:
    root: dict[int, Any] = {}
    for item, row in enumerate(rows):
        node = root
        for token in row:
            node = node.setdefault(token + OFFSET, {})
        node[END] = item
    return root


def items_below(trie: Trie, node: int) -> list[int]:
    if trie.leaf_item[node] >= 0:
        return [int(trie.leaf_item[node])]
    edges = range(trie.child_start[node], trie.child_start[node + 1])
    return [item for edge in edges for item in items_below(trie, edge + 1)]


@given(ROWS)
def test_it_holds_the_rows_and_nothing_else(rows: list[Row]) -> None:
    trie = build(rows)
    assert nested(trie) == nested_oracle(rows)
    assert trie.n_items == len(rows)
    assert trie.n_nodes == len(trie.child_token) + 1 == trie.child_start[-1] + 1
    assert trie.depth == max(map(len, rows)) + 1


@given(ROWS)
def test_sole_items_are_those_with_no_other_below(rows: list[Row]) -> None:
    trie = build(rows)
    for node in range(trie.n_nodes):
        below = items_below(trie, node)
        assert trie.sole_item[node] == (below[0] if len(below) == 1 else -1)


@given(ROWS)
def test_the_items_below_a_node_stand_side_by_side_in_the_order_of_the_leaves(rows: list[Row]) -> None:
    trie = build(rows)
    assert trie.leaf_order.tolist() == items_below(trie, 0)
    for node in range(trie.n_nodes):
        there = slice(trie.leaf_start[node], trie.leaf_stop[node])
        assert trie.leaf_order[there].tolist() == items_below(trie, node)


@given(ROWS)
def test_siblings_stand_in_the_order_of_their_ids_and_the_last_node_is_a_leaf(rows: list[Row]) -> None:
    trie = build(rows)
    for node in range(trie.n_nodes):
        siblings = trie.child_token[trie.child_start[node] : trie.child_start[node + 1]]
        assert (np.diff(siblings) > 0).all()
    assert trie.leaf_item[-1] >= 0


def test_items_with_equal_tokens_are_refused() -> None:
    with pytest.raises(InputError, match=r"items 1 and 3 have the same tokens, and 0 more"):
        build([(1, 2), (3,), (3, 4), (3,)])


def test_no_items_are_refused() -> None:
    with pytest.raises(InputError, match="at least one item"):
        build([])

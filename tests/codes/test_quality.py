"""What the report says of a table of codes, against counting by hand."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clairo.codes import quality


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=40))
def test_collisions(rows: list[tuple[int, int]]) -> None:
    counts = Counter(rows)
    assert quality.collisions(np.array(rows, dtype=np.uint32)) == {
        "rows": len(counts),
        "shared_rows": sum(n > 1 for n in counts.values()),
        "colliding_items": sum(n for n in counts.values() if n > 1),
        "largest_group": max(counts.values()),
    }


@pytest.mark.parametrize(
    ("column", "used", "perplexity"),
    [([0, 1, 2, 3], 4, 4), ([2] * 9, 1, 1), ([0, 0, 1, 1], 2, 2), ([0, 0, 0, 1], 2, 1.7548)],
)
def test_usage(column: list[int], used: int, perplexity: float) -> None:
    made = quality.usage(np.array(column, dtype=np.uint32), 8)
    assert made == {"values": 8, "used": used, "perplexity": perplexity}


def test_no_items() -> None:
    assert quality.collisions(np.zeros((0, 3), dtype=np.uint32))["largest_group"] == 0

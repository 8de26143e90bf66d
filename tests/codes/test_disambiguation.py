"""Every row becomes unique, or the error says how many are equal."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clairo.codes.disambiguation import disambiguate
from clairo.errors import InputError

Method = Literal["sequential", "random"]
TABLES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=60)


def table(rows: list[tuple[int, int]]) -> NDArray[np.uint32]:
    return np.array(rows, dtype=np.uint32)


@settings(max_examples=150, deadline=None)
@given(TABLES, st.sampled_from(["sequential", "random"]), st.integers(0, 9), st.integers(0, 3))
def test_rows_with_their_code_are_unique(
    rows: list[tuple[int, int]], method: Method, seed: int, spare: int
) -> None:
    features = table(rows)
    values = max(rows.count(row) for row in rows) + spare
    codes = disambiguate(features, method, values=values, generator=np.random.default_rng(seed))
    assert codes.shape == (len(rows),)
    assert codes.dtype == np.uint32
    assert codes.max() < values
    assert len({(*row, int(code)) for row, code in zip(rows, codes, strict=True)}) == len(rows)
    if method == "sequential":
        assert codes.tolist() == [rows[:place].count(row) for place, row in enumerate(rows)]


def test_the_generator_decides_what_is_random() -> None:
    features = table([(0, 0)] * 5 + [(1, 0), (1, 1)])
    once, again, other = (
        disambiguate(features, "random", values=128, generator=np.random.default_rng(seed))
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(once, again)
    assert (once != other).any()


def test_random_codes_use_the_whole_range() -> None:
    features = np.arange(5000, dtype=np.uint32)[:, None]
    codes = disambiguate(features, "random", values=16, generator=np.random.default_rng(0))
    counts = np.bincount(codes, minlength=16)
    assert counts.min() > 250
    assert counts.max() < 375


@pytest.mark.parametrize("method", ["sequential", "random"])
def test_too_many_equal_rows_are_refused(method: Method) -> None:
    features = table([(0, 0)] * 5 + [(1, 0)] * 4 + [(2, 0)] * 3)
    with pytest.raises(InputError) as caught:
        disambiguate(features, method, values=3, generator=np.random.default_rng(0))
    assert caught.value.message == (
        "5 items share one row of codes, "
        "and on 2 rows there are more items than codes.disambiguation_values = 3"
    )
    assert "codes.disambiguation_values = 5 or more" in str(caught.value.hint)
    assert "codes.books" in str(caught.value.hint)


@settings(max_examples=150, deadline=None)
@given(TABLES, st.data(), st.sampled_from(["sequential", "random"]), st.integers(0, 9))
def test_kept_codes_stay_and_the_others_are_free(
    rows: list[tuple[int, int]], data: st.DataObject, method: Method, seed: int
) -> None:
    features, values = table(rows), 64
    before = disambiguate(features, "random", values=values, generator=np.random.default_rng(99))
    known = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    kept = np.where(known, before.astype(np.int64), -1)
    codes = disambiguate(features, method, values=values, generator=np.random.default_rng(seed), kept=kept)
    np.testing.assert_array_equal(codes[known], before[known])
    assert codes.max() < values
    assert len({(*row, int(code)) for row, code in zip(rows, codes, strict=True)}) == len(rows)

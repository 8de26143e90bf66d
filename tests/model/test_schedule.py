"""The learning rate's shape."""

import pytest

from clairo.model.schedule import factor, warmup_steps


def test_warm_up_is_a_tenth_at_most() -> None:
    assert warmup_steps(10_000, 500) == 50
    assert warmup_steps(30, 500) == 30
    assert warmup_steps(10_000, 5) == 0


def test_it_rises_in_a_line_to_the_peak_and_falls_along_a_cosine_to_zero() -> None:
    factors = [factor(step, warmup=10, total=110) for step in range(111)]
    assert factors[:10] == pytest.approx([0.1 * step for step in range(1, 11)])
    assert factors[10] == 1
    assert factors[60] == pytest.approx(0.5)  # half way down
    assert factors[110] == pytest.approx(0)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert min(factors[:110]) > 0


def test_without_warm_up_it_starts_at_the_peak() -> None:
    assert factor(0, warmup=0, total=1) == 1

"""Charts: round ticks, escaped labels, every value on the canvas."""

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clairo.report.charts import HEIGHT, WIDTH, Series, bar, dots, lines, log_ticks, ticks

HOSTILE = '<b onclick="x">&'


def _numbers(svg: str) -> list[tuple[float, float]]:
    """All points of lines, marks and whiskers."""
    pairs = re.findall(r"translate\(([-\d.]+),([-\d.]+)\) ?\"? d=", svg)
    pairs += [pair.split(",") for points in re.findall(r'points="([^"]*)"', svg) for pair in points.split()]
    return [(float(x), float(y)) for x, y in pairs]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_inside_and_evenly_spaced(low: float, span: float) -> None:
    found = ticks(low, low + span)
    assert 2 <= len(found) <= 9
    assert all(low - span * 1e-6 <= tick <= low + span * (1 + 1e-6) for tick in found)
    steps = [after - before for before, after in pairwise(found)]
    assert max(steps) == pytest.approx(min(steps), rel=1e-6)


def test_log_ticks_are_powers_with_steps_between_where_few() -> None:
    assert log_ticks(1, 60) == [1, 2, 5, 10, 20, 50]
    assert log_ticks(1, 20_000) == [1, 10, 100, 1000, 10_000]


def test_labels_are_escaped_and_the_markup_is_whole() -> None:
    chart = dots(
        [HOSTILE, "b"],
        [Series(HOSTILE, [0.1, None], intervals=[[0.05, 0.2], None]), Series("other", [0.0, 0.3])],
        label=HOSTILE,
        y_name=HOSTILE,
    )
    root = ET.fromstring(str(chart))  # noqa: S314 - our own text
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == HOSTILE
    assert [text.text for text in root.iter("text")].count(HOSTILE) == 3
    assert len(root.findall("path[@transform]")) == 2 + 3  # legend and values
    assert len([line for line in root.iter("line") if "whisker" in line.attrib["class"]]) == 1


@pytest.mark.parametrize("log", [False, True])
@given(values=st.lists(st.floats(1e-3, 1e5), min_size=1, max_size=20))
def test_lines_stay_on_the_canvas(log: bool, values: list[float]) -> None:
    places = [float(row) for row in range(1, len(values) + 1)]
    svg = str(lines([Series("a", values, x=places)], label="l", x_name="x", y_name="y", log=log))
    ET.fromstring(svg)  # noqa: S314 - our own text
    points = _numbers(svg)
    assert len(points) >= len(values)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)


def test_a_gap_breaks_the_line() -> None:
    series = Series("a", [1.0, 2.0, None, 3.0, 1.0], x=[1, 2, 3, 4, 5])
    assert str(lines([series], label="l", x_name="x", y_name="y")).count("<polyline") == 2


def test_bars_are_cut_to_the_cell() -> None:
    assert 'width="37.5"' in bar(0.375)
    assert 'width="100"' in bar(7.0)

"""Charts as inline SVG: they take the page's colours, in light and dark, and are the same bytes every time.

Every label is escaped. Coordinates are rounded to a tenth of a pixel.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

WIDTH, HEIGHT = 720, 290
LEFT, RIGHT, TOP, BOTTOM = 64, 14, 34, 46
_MARKS = (  # a shape for each series beside its colour
    "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z",
    "M-3.5,-3.5h7v7h-7z",
    "M0,-4.6l4.4,7.8h-8.8z",
    "M0,-5l4.6,5l-4.6,5l-4.6,-5z",
    "M0,4.6l4.4,-7.8h-8.8z",
)


@dataclass(frozen=True)
class Series:
    """One line or row of dots.

    Attributes:
        name: shown in the legend.
        y: values; None leaves a gap.
        x: their places, for `lines`.
        intervals: [low, high] of each value, for `dots`.
    """

    name: str
    y: Sequence[float | None]
    x: Sequence[float] = ()
    intervals: Sequence[Sequence[float] | None] = field(default=())


@dataclass(frozen=True)
class Scale:
    """Values from `low` to `high` on pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of `value`."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log10(value), math.log10(low), math.log10(high)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values to mark."""
        if self.log:
            return log_ticks(self.low, self.high)
        return ticks(self.low, self.high)


def ticks(low: float, high: float, most: int = 8) -> list[float]:
    """At most `most` multiples of 1, 2 or 5 times a power of ten between `low` and `high`."""
    rough = (high - low) / (most - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [(first + i) * step for i in range(math.floor(high / step + 1e-9) - first + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten between `low` and `high`, with 2 and 5 times them where those alone would be few."""
    powers = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 1)
    factors = (1, 2, 5) if math.log10(high / low) < 3 else (1,)
    return [tick for power in powers for factor in factors if low <= (tick := factor * 10.0**power) <= high]


def dots(groups: Sequence[str], series: Sequence[Series], *, label: str, y_name: str) -> Markup:
    """For each group a dot a series, with a whisker from low to high where an interval is given."""
    tops = [end for one in series for span in one.intervals if span for end in span]
    y = _value_scale([*tops, *(value for one in series for value in one.y if value is not None)], zero=True)
    width = (WIDTH - LEFT - RIGHT) / max(len(groups), 1)
    parts = [_y_axis(y, y_name), _legend([one.name for one in series])]
    for group, name in enumerate(groups):
        middle = LEFT + width * (group + 0.5)
        parts.append(_text(middle, HEIGHT - BOTTOM + 18, name, "middle"))
        for row, one in enumerate(series):
            place = middle + (row - (len(series) - 1) / 2) * min(26.0, width / (len(series) + 1))
            parts.append(_dot(place, y, one, group, row))
    return _svg(parts, label, legend=len(series) > 1)


def lines(
    series: Sequence[Series],
    *,
    label: str,
    x_name: str,
    y_name: str,
    log: bool = False,
    border: float | None = None,
) -> Markup:
    """A line a series; with `log` both axes are logarithmic and values must be positive.

    `border` marks a place on the x axis.
    """
    places = [place for one in series for place in one.x]
    x = _padded(min(places), max(places), LEFT, WIDTH - RIGHT, log=log)
    values = [value for one in series for value in one.y if value is not None]
    y = _padded(min(values), max(values), HEIGHT - BOTTOM, TOP, log=True) if log else _value_scale(values)
    parts = [_y_axis(y, y_name), _x_axis(x, x_name), _legend([one.name for one in series])]
    if border is not None:
        rule = Markup('<line class="border" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>')
        parts.append(rule.format(_round(x(border)), TOP, HEIGHT - BOTTOM))
    for row, one in enumerate(series):
        for run in _runs(one):
            points = " ".join(f"{_round(x(place))},{_round(y(value))}" for place, value in run)
            parts.append(Markup('<polyline class="line s{}" points="{}"/>').format(row, points))
            if len(run) == 1:
                parts.append(_mark(x(run[0][0]), y(run[0][1]), row))
    return _svg(parts, label, legend=len(series) > 1)


def bar(share: float) -> Markup:
    """A small bar for a table's cell; the number stands beside it."""
    shape = Markup(
        '<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="{}" height="8"/></svg>'
    )
    return shape.format(_round(100 * min(max(share, 0.0), 1.0)))


def _runs(one: Series) -> Iterable[list[tuple[float, float]]]:
    """Stretches of a line without a gap."""
    run: list[tuple[float, float]] = []
    for place, value in zip(one.x, one.y, strict=True):
        if value is not None:
            run.append((place, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _value_scale(values: Sequence[float], *, zero: bool = False) -> Scale:
    """The y axis: a little air above and below, from 0 on where the size itself is read."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    air = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return Scale(min(low, 0.0) if zero else low - air, high + air, HEIGHT - BOTTOM, TOP)


def _padded(low: float, high: float, start: float, end: float, *, log: bool) -> Scale:
    """An axis from `low` to `high`, widened where they are one point."""
    if low == high:
        low, high = (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    return Scale(low, high, start, end, log)


def _svg(parts: Sequence[Markup], label: str, *, legend: bool) -> Markup:
    """The whole chart; the room of the legend is cut off where there is none."""
    top = 0 if legend else TOP - 12
    head = Markup('<svg class="chart" role="img" viewBox="0 {} {} {}" aria-label="{}">')
    return head.format(top, WIDTH, HEIGHT - top, label) + Markup("").join(parts) + Markup("</svg>")


def _legend(names: Sequence[str]) -> Markup:
    if len(names) < 2:
        return Markup("")
    parts, place = [], float(LEFT)
    for row, name in enumerate(names):
        parts += [_mark(place + 5, 14, row), _text(place + 15, 18, name, "start")]
        place += 38 + 7 * len(name)
    return Markup("").join(parts)


def _y_axis(scale: Scale, name: str) -> Markup:
    parts = [
        Markup('<text class="name" transform="translate(14,{}) rotate(-90)">{}</text>').format(
            (TOP + HEIGHT - BOTTOM) // 2, name
        )
    ]
    for value in scale.ticks():
        place = _round(scale(value))
        rule = Markup('<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/>')
        parts.append(rule.format(LEFT, WIDTH - RIGHT, place, place))
        parts.append(_text(LEFT - 8, scale(value) + 4, _number(value), "end"))
    return Markup("").join(parts)


def _x_axis(scale: Scale, name: str) -> Markup:
    parts = [_text(scale(value), HEIGHT - BOTTOM + 18, _number(value), "middle") for value in scale.ticks()]
    middle = (LEFT + WIDTH - RIGHT) // 2
    parts.append(Markup('<text class="name" x="{}" y="{}">{}</text>').format(middle, HEIGHT - 8, name))
    return Markup("").join(parts)


def _dot(place: float, y: Scale, one: Series, group: int, row: int) -> Markup:
    value = one.y[group]
    if value is None:
        return Markup("")
    span = one.intervals[group] if one.intervals else None
    whisker = Markup("")
    if span is not None:
        rule = Markup('<line class="whisker s{0}" x1="{1}" x2="{1}" y1="{2}" y2="{3}"/>')
        whisker = rule.format(row, _round(place), _round(y(span[0])), _round(y(span[1])))
    return whisker + _mark(place, y(value), row)


def _mark(x: float, y: float, row: int) -> Markup:
    shape = Markup('<path class="mark s{}" transform="translate({},{})" d="{}"/>')
    return shape.format(row % len(_MARKS), _round(x), _round(y), _MARKS[row % len(_MARKS)])


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    shape = Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>')
    return shape.format(_round(x), _round(y), anchor, text)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{round(value, 10):g}"


def _round(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")

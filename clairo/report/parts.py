"""What a page is made of: sections of sentences, tables and figures, and how numbers are written."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

Cell = str | Markup
UNKNOWN = "\N{EN DASH}"
WARNINGS = "warnings"
_LISTED = 12  # entries of a list that a fact shows


@dataclass(frozen=True)
class Table:
    """A table whose first column heads its rows.

    Attributes:
        caption: what it shows.
        columns: heads of the columns.
        rows: cells, one for each column.
        groups: names over the columns after the first, each with how many of them it spans.
        ours: the head of the row to set apart.
        words: cells are words, not numbers.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    groups: Sequence[tuple[str, int]] = ()
    ours: str | None = None
    words: bool = False


@dataclass(frozen=True)
class Figure:
    """A chart and the sentence below it."""

    svg: Markup
    caption: str


Block = Table | Figure


@dataclass(frozen=True)
class Section:
    """A part of the page under its own heading; `folded` blocks or `code` open on a click on `fold`."""

    name: str
    title: str
    text: Sequence[str] = ()
    blocks: Sequence[Block] = ()
    fold: str = ""
    folded: Sequence[Block] = field(default=())
    code: str = ""


def measured(value: float, interval: Sequence[float] | None = None, *, best: bool = False) -> Markup:
    """A metric, bold where it is the best, with its interval below."""
    shape = Markup("<strong>{}</strong>") if best else Markup("{}")
    text = shape.format(f"{value:.4f}")
    if interval is None:
        return text
    return text + Markup("<small>{}\N{EN DASH}{}</small>").format(*(f"{end:.4f}" for end in interval))


def signed(value: float) -> str:
    """Four digits with a sign that can be told from a hyphen."""
    return f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")


def count(value: Any) -> str:
    """A count with separators; a dash where it is unknown."""
    return UNKNOWN if value is None else f"{value:,}"


def duration(seconds: float | None) -> str:
    """Seconds as people say them."""
    if seconds is None:
        return UNKNOWN
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def facts(value: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested counts as rows of name and value, in their own order; warnings and tables are left out."""
    rows: list[tuple[str, str]] = []
    for key, entry in value.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(entry, dict):
            rows += facts(entry, f"{name}, ")
        elif key != WARNINGS and not (
            isinstance(entry, list) and any(isinstance(row, dict) for row in entry)
        ):
            rows.append((name, _fact(entry)))
    return rows


def warnings(value: dict[str, Any]) -> Iterator[str]:
    """The sentences under the key `warnings`, however deep."""
    for key, entry in value.items():
        if key == WARNINGS and isinstance(entry, list):
            yield from map(str, entry)
        elif isinstance(entry, dict):
            yield from warnings(entry)


def _fact(value: Any) -> str:
    if value is None or value == []:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, list):
        return ", ".join(map(_fact, value[:_LISTED])) + (", ..." if len(value) > _LISTED else "")
    return str(value)

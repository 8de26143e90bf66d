"""The tables of a grid's page, from its JSON; cells are plain text, for HTML and Markdown alike."""

from collections.abc import Iterable, Iterator
from typing import Any

from clairo.ablation.measured import CONDITIONS, METRICS
from clairo.report.bootstrap import LEVEL
from clairo.report.parts import UNKNOWN, Table, duration, signed
from clairo.report.sentences import CONDITIONS as CONDITION_NAMES
from clairo.report.sentences import SYSTEMS, metric_name

_PLAIN = "\N{ALMOST EQUAL TO}"
"""Before a difference inside the noise."""


def metrics(result: dict[str, Any], condition: str) -> Table:
    """Every cell under one condition, the rivals below."""
    rows = []
    for name, cell in result["cells"].items():
        rows.append([_head(name, result), *_metrics(cell["figures"], condition)])
        if cell["alone"]:
            rows.append([f"{name}, the model alone", *_metrics(cell["alone"], condition)])
    rows += [
        [SYSTEMS.get(rival, rival), *_metrics(figures, condition)]
        for rival, figures in result["rivals"].items()
        if any(f"{condition} {metric}" in figures for metric in METRICS)
    ]
    return Table(
        f"{CONDITION_NAMES[condition].capitalize()}: mean and standard deviation over seeds; untrained "
        "rivals below",
        ["", *map(metric_name, METRICS)],
        rows,
        ours=_head(result["baseline"], result),
    )


def order(shown: Iterable[str]) -> list[str]:
    """Conditions, test first: that is what is asked of a recommender."""
    return sorted(shown, key=lambda name: name == "validation")


def costs(result: dict[str, Any]) -> Table:
    """What each cell covers, how its codes collide, and what it takes."""
    names = ("test coverage@10", "masked coverage@10", "colliding items", "largest group")
    rows = []
    for name, cell in result["cells"].items():
        figures = cell["figures"]
        seeds = ", ".join(map(str, cell["seeds"])) or UNKNOWN
        done = seeds if len(cell["seeds"]) == cell["asked"] else f"{seeds} of {cell['asked']}"
        shares = [_figure(figures, key, digits=3) for key in names[:2]]
        counts = [_figure(figures, key, digits=0) for key in names[2:]]
        times = [_minutes(figures, key) for key in ("minutes", "training minutes")]
        epochs = [_figure(figures, key, digits=0) for key in ("epochs", "best epoch")]
        rows.append([_head(name, result), done, *shares, *counts, *times, *epochs])
    columns = ["seeds", "coverage@10", "masked", "colliding items", "largest group", "time", "training"]
    return Table(
        "Share of the catalogue that lists of 10 hold, items that share all codes with another, and time: of "
        "all stages, whichever run made them",
        ["", *columns, "epochs", "best epoch"],
        rows,
        ours=_head(result["baseline"], result),
    )


def differences(result: dict[str, Any]) -> Iterator[Table]:
    """By condition, every cell minus the baseline, and the pairs."""
    entries = [*result["differences"], *result["pairs"]]
    for condition in order(CONDITIONS):
        rows = [
            [
                f"{entry['first']} \N{MINUS SIGN} {entry['second']}",
                *_gaps(entry[condition]),
                *_scope(entry, condition),
            ]
            for entry in entries
            if condition in entry
        ]
        if rows:
            yield Table(
                f"{CONDITION_NAMES[condition].capitalize()}: differences with {LEVEL:.0%} intervals over "
                f"users; {_PLAIN} marks those inside the noise",
                ["", *map(metric_name, METRICS), "seeds", "users"],
                rows,
            )


def options(result: dict[str, Any]) -> Table:
    """What each cell has of its own."""
    rows = [
        [_head(name, result), "; ".join(flat(cell["options"])) or "the base", cell["about"]]
        for name, cell in result["cells"].items()
    ]
    return Table("Options of each cell, on top of the base", ["", "options", "remark"], rows, words=True)


def flat(table: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Nested options as `section.key = value`."""
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key} = {value}"


def _head(name: str, result: dict[str, Any]) -> str:
    return f"{name} (baseline)" if name == result["baseline"] and len(result["cells"]) > 1 else name


def _metrics(figures: dict[str, Any], condition: str) -> Iterator[str]:
    return (_figure(figures, f"{condition} {metric}") for metric in METRICS)


def _figure(figures: dict[str, Any], key: str, digits: int = 4) -> str:
    found = figures.get(key)
    if found is None:
        return UNKNOWN
    if not found["sd"]:  # one seed, or the same with all
        return f"{found['mean']:,.{digits}f}"
    digits = max(digits, 1)  # of counts that differ
    return f"{found['mean']:,.{digits}f} \N{PLUS-MINUS SIGN} {found['sd']:,.{digits}f}"


def _minutes(figures: dict[str, Any], key: str) -> str:
    found = figures.get(key)
    return UNKNOWN if found is None else duration(found["mean"] * 60)


def _gaps(found: dict[str, Any]) -> Iterator[str]:
    for metric in METRICS:
        gap = found["metrics"][metric]
        low, high = map(signed, gap["interval"])
        mark = f"{_PLAIN} " if gap["verdict"] == "level" else ""
        yield f"{mark}{signed(gap['difference'])} [{low}, {high}]"


def _scope(entry: dict[str, Any], condition: str) -> list[str]:
    return [", ".join(map(str, entry["seeds"])), f"{entry[condition]['users']:,}"]

"""A grid's page and its Markdown twin, from the grid's JSON alone."""

import re
from collections.abc import Iterator
from typing import Any

from clairo.ablation import tables
from clairo.ablation.measured import CONDITIONS
from clairo.report import charts
from clairo.report.pages import render
from clairo.report.parts import Figure, Section, Table, signed
from clairo.report.sentences import CONDITIONS as CONDITION_NAMES

_METRIC = "ndcg@10"
_FEW = 10  # cells that a chart has room for
_LETTER = 6.5  # pixels


def html(result: dict[str, Any]) -> str:
    """One page that needs nothing else."""
    return render(result["title"], lead(result), list(_sections(result)))


def markdown(result: dict[str, Any]) -> str:
    """The same in Markdown, without the chart."""
    parts = [f"# {_plain(result['title'])}", _plain(lead(result))]
    for section in _sections(result):
        parts.append(f"## {section.title}")
        if section.text:
            parts.append("\n".join(f"- {_plain(sentence)}" for sentence in section.text))
        parts += [_table(block) for block in section.blocks if isinstance(block, Table)]
    return "\n\n".join(parts) + "\n"


def lead(result: dict[str, Any]) -> str:
    """How far the grid is."""
    asked = sum(cell["asked"] for cell in result["cells"].values())
    done = sum(len(cell["seeds"]) for cell in result["cells"].values())
    return f"{len(result['cells'])} cells on {result['base']}; {done} of {asked} runs are finished"


def _sections(result: dict[str, Any]) -> Iterator[Section]:
    shown = [name for name in CONDITIONS if any(_has(cell, name) for cell in result["cells"].values())]
    chart = [_chart(result, shown)] if shown and len(result["cells"]) <= _FEW else []
    yield Section(
        "results",
        "Results",
        text=[*_asked(result), *_verdicts(result)],
        blocks=[*(tables.metrics(result, name) for name in tables.order(shown)), *chart],
    )
    gaps = {table.caption: table for table in tables.differences(result)}
    if gaps:
        yield Section("differences", "Differences", text=list(_method(result)), blocks=list(gaps.values()))
    yield Section("costs", "Coverage, collisions, time", blocks=[tables.costs(result)], text=[_how(result)])
    failures = list(_failures(result))
    if failures:
        yield Section("failures", "Failed runs", text=failures)
    yield Section("cells", "Cells", blocks=[tables.options(result)])


def _has(cell: dict[str, Any], condition: str) -> bool:
    return f"{condition} {_METRIC}" in cell["figures"]


def _asked(result: dict[str, Any]) -> Iterator[str]:
    if result["about"]:
        yield result["about"]
    if result["rivals_differ"]:
        yield (
            "Rivals are not the same in all cells with the same seed: their data or users differ. Those "
            "shown are of the baseline."
        )


def _verdicts(result: dict[str, Any]) -> Iterator[str]:
    """How each cell stands to the baseline on test, in words."""
    words = {"above": "above", "below": "below", "level": "not to be told apart from"}
    for entry in [*result["differences"], *result["pairs"]]:
        if "problem" in entry:
            yield f"{entry['first']} and {entry['second']} cannot be compared: {entry['problem']}."
        if "test" in entry:
            gap = entry["test"]["metrics"][_METRIC]
            low, high = map(signed, gap["interval"])
            yield (
                f"{entry['first']} is {words[gap['verdict']]} {entry['second']} on test: NDCG@10 "
                f"{signed(gap['difference'])} [{low}, {high}], {_seeds(entry['seeds'])}."
            )


def _method(result: dict[str, Any]) -> Iterator[str]:
    yield (
        "First minus second on the users that both have, averaged over the seeds that both have finished. "
        f"Intervals are over {result['resamples']:,} paired resamples of users, each with all its seeds, and "
        "say nothing of other seeds."
    )
    yield (
        "A difference is inside the noise where its interval holds 0, or where some seed's difference has "
        "the other sign. None is corrected for the number of comparisons."
    )


def _how(result: dict[str, Any]) -> str:
    how = result["how"]
    where = how["accelerator"] or _counted(how["cores"], "core")
    jobs = f"{_counted(how['jobs'], 'run')} at a time with {_counted(how['threads'], 'thread')} each"
    versions = [
        f"{name} {' and '.join(result['versions'][name])}"
        for name in ("clairo", "python", "torch")
        if name in result["versions"]
    ]
    made = f" Finished runs are of {', '.join(versions)}." if versions else ""
    return f"The last call was on {how['machine']}, {where}, {jobs}.{made}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _seeds(seeds: list[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"


def _failures(result: dict[str, Any]) -> Iterator[str]:
    for name, cell in result["cells"].items():
        for run in cell["runs"]:
            if run["state"] == "failed":
                yield f"{name}, seed {run['seed']}: {'; '.join(run['message'].splitlines())}"


def _chart(result: dict[str, Any], shown: list[str]) -> Figure:
    cells, series = result["cells"], []
    for condition in tables.order(shown):
        found = [cell["figures"].get(f"{condition} {_METRIC}") for cell in cells.values()]
        spans = [
            [entry["mean"] - entry["sd"], entry["mean"] + entry["sd"]] if entry and entry["sd"] else None
            for entry in found
        ]
        values = [entry["mean"] if entry else None for entry in found]
        series.append(charts.Series(CONDITION_NAMES[condition], values, intervals=spans))
    room = int(charts.WIDTH / len(cells) / _LETTER)
    labels = [name if len(name) <= room else f"{name[: room - 1]}\N{HORIZONTAL ELLIPSIS}" for name in cells]
    caption = "NDCG@10 of each cell: mean, and one standard deviation over seeds"
    return Figure(charts.dots(labels, series, label=caption, y_name="NDCG@10"), caption)


def _table(table: Table) -> str:
    lines = [table.columns, ["---", *("---:" if not table.words else "---" for _ in table.columns[1:])]]
    lines += table.rows
    rows = [
        "| " + " | ".join(_plain(str(cell)).replace("|", "\\|") for cell in line) + " |" for line in lines
    ]
    return f"{table.caption}\n\n" + "\n".join(rows)


def _plain(text: str) -> str:
    """Text on one line that Markdown takes for no tags and no emphasis."""
    return re.sub(r"([\\`*<&])", r"\\\1", " ".join(text.split()))

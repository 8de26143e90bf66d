"""The sections of what stages noted: training, codes and vocabulary, data, costs, method."""

from typing import Any

from clairo.report import charts, page_merges, sentences
from clairo.report.parts import (
    UNKNOWN,
    Block,
    Figure,
    Section,
    Table,
    count,
    duration,
    facts,
    measured,
    warnings,
)
from clairo.report.sentences import METRIC, SYSTEMS, metric_name

_FLOW = (
    "reviews", "sequences", "embeddings", "fused", "codes", "vocabulary", "model", "recommendations",
)  # fmt: skip


def training(report: dict[str, Any]) -> Section | None:
    """The course of training."""
    training = report["training"]
    if not training or not training["epochs"]:
        return None
    epochs = training["epochs"]
    text = [f"{len(epochs):,} epochs in {duration(training['seconds'])}, validation not counted."]
    if training["iterations_per_second"] is not None:
        text.append(f"{training['iterations_per_second']:.2f} iterations a second.")
    if training["best_epoch"] is not None:
        best = training[f"best_{METRIC}"]
        text.append(f"Best epoch: {training['best_epoch']}, {metric_name(METRIC)} {best:.4f} on validation.")
        text.append(sentences.VALIDATION)
    curves = (("loss", "Training loss"), (METRIC, f"{metric_name(METRIC)} on validation"))
    figures = [_curve(epochs, key, words, training["best_epoch"]) for key, words in curves]
    return Section(
        "training",
        "Training",
        text=text,
        blocks=[figure for figure in figures if figure],
        fold="What training noted",
        folded=_facts(report, "model"),
    )


def _curve(epochs: list[dict[str, Any]], key: str, words: str, best: float | None) -> Figure | None:
    known = [(row, entry) for row, entry in enumerate(epochs, 1) if entry.get(key) is not None]
    if not known:
        return None
    line = charts.Series(
        words, [entry[key] for _, entry in known], x=[entry.get("epoch", row) for row, entry in known]
    )
    chart = charts.lines([line], label=f"{words} by epoch", x_name="epoch", y_name=words, border=best)
    return Figure(chart, f"{words}; the dashed line marks the best epoch")


def tokens(report: dict[str, Any]) -> Section | None:
    """Use of the codebooks, the vocabulary, and what else the stages between items and tokens noted."""
    codes = _noted(report, "codes")
    merges = report.get("merges")
    blocks = [*_codebooks(codes), *_facts(report, "vocabulary")]
    if merges:
        blocks += page_merges.blocks(merges)
    folded = [block for stage in ("embeddings", "fused", "codes") for block in _facts(report, stage)]
    if not blocks and not folded:
        return None
    return Section(
        "tokens",
        "Codes and vocabulary",
        text=[*sentences.collisions(codes), *(sentences.merges(merges) if merges else ())],
        blocks=blocks,
        fold="What the stages before noted",
        folded=folded,
    )


def _codebooks(codes: dict[str, Any]) -> list[Block]:
    rows = []
    for book in codes.get("categories", []):
        share = book["used"] / book["values"]
        error = book.get("relative_error")
        rows.append(
            [
                book["name"],
                count(book["values"]),
                count(book["used"]),
                f"{share:.1%}" + charts.bar(share),
                f"{book['perplexity']:,.1f}",
                UNKNOWN if error is None else f"{error:.4f}",
            ]
        )
    heads = ["category", "values", "used", "share used", "perplexity", "relative error"]
    caption = "Use of the codebooks; perplexity is the number of values in equal use that would tell as much"
    return [Table(caption, heads, rows)] if rows else []


def data(report: dict[str, Any]) -> Section | None:
    """Counts after the filters, what was dirty or dropped before, and what stages warned of."""
    blocks: list[Block] = [Table("The data after all filters", ["", "value"], facts(report["dataset"]))]
    for stage in ("reviews", "sequences"):
        blocks += _facts(report, stage)
    text = [f"{stage}: {word}" for stage in _FLOW for word in warnings(_noted(report, stage))]
    return Section("data", "Data, dirt and filters", text=text, blocks=blocks)


def _noted(report: dict[str, Any], stage: str) -> dict[str, Any]:
    """A stage's own report, empty where it has none."""
    found: dict[str, Any] = report["stages"].get(stage, {}).get("report", {})
    return found


def _facts(report: dict[str, Any], stage: str) -> list[Block]:
    found = facts(_noted(report, stage))
    return [Table(f"What {stage} noted", ["", "value"], found)] if found else []


def costs(report: dict[str, Any]) -> Section | None:
    """Wall time and peak memory of stages, speed of the search."""
    stages = report["stages"]
    names = [name for name in _FLOW if name in stages]
    if not names:
        return None
    total = sum(stages[name]["seconds"] or 0.0 for name in names)
    rows = []
    for name in names:
        seconds = stages[name]["seconds"]
        share = (seconds or 0.0) / total if total else 0.0
        memory = stages[name]["peak_memory_mb"]
        cells = [duration(seconds) + charts.bar(share), UNKNOWN if memory is None else f"{memory:,.0f} MB"]
        rows.append([name, *cells, str(stages[name]["created"] or UNKNOWN)])
    text = [f"All stages together: {duration(total)}."]
    speed = report["search"]
    if speed:
        text.append(f"Search: {speed['users_per_second']:,.1f} users a second.")
    return Section(
        "costs",
        "Time and memory",
        text=text,
        blocks=[Table("Stages", ["stage", "wall time", "peak memory", "finished (UTC)"], rows)],
        fold="What the search noted",
        folded=_facts(report, "recommendations"),
    )


def method(report: dict[str, Any]) -> Section | None:
    """How to read the numbers, versions and the configuration."""
    versions = [(name, ", ".join(found)) for name, found in report["versions"].items()]
    blocks = [*_grids(report), *_weights(report)]
    if versions:
        blocks.append(Table("Versions that made the artefacts", ["", "version"], versions))
    return Section(
        "method",
        "How it was measured",
        text=list(sentences.caveats(report)),
        blocks=blocks,
        fold="Configuration",
        code=report["config"],
    )


_GRIDS = {"item2item": "window", "linear": "penalty"}
"""Rivals that are tuned, and what stands beside the decay in their grids."""


def _grids(report: dict[str, Any]) -> list[Block]:
    """What the tuned rivals chose from, on validation: windows or penalties down, decays across."""
    noted = _noted(report, "recommendations")
    return [_grid(name, option, noted[name]) for name, option in _GRIDS.items() if name in noted]


def _grid(name: str, option: str, tuned: dict[str, Any]) -> Block:
    found = {(cell[option], cell["decay"]): cell[METRIC] for cell in tuned["grid"]}
    values, decays = sorted({value for value, _ in found}), sorted({decay for _, decay in found})
    chosen = (tuned[option], tuned["decay"])
    rows = [
        [f"{value:g}", *(measured(found[value, decay], best=(value, decay) == chosen) for decay in decays)]
        for value in values
    ]
    rival = SYSTEMS[name].capitalize()
    caption = f"{rival}'s {metric_name(METRIC)} on validation by {option} and decay; its choice in bold"
    heads = [option, *(f"{decay:g}" for decay in decays)]
    return Table(caption, heads, rows, groups=[("decay", len(decays))])


def _weights(report: dict[str, Any]) -> list[Block]:
    """What the blend chose its weight from, on validation."""
    found = report.get("blend", {})
    if not found.get("grid"):
        return []
    rows = [
        [f"{cell['weight']:g}", measured(cell[METRIC], best=cell["weight"] == found["weight"])]
        for cell in found["grid"]
    ]
    name = metric_name(METRIC)
    rival = SYSTEMS[found["with"]]
    caption = f"The blend's {name} on validation by the weight of {rival}; its choice in bold"
    return [Table(caption, ["weight", name], rows)]

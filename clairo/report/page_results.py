"""The sections of measured accuracy: the headline, and slices of users."""

from typing import Any

from markupsafe import Markup

from clairo.report import charts, sentences
from clairo.report.parts import UNKNOWN, Block, Cell, Figure, Section, Table, count, measured, signed
from clairo.report.sentences import CONDITIONS, METRIC, SYSTEMS, main_of, metric_name

_HEADLINE = ("recall@10", "ndcg@10")
_PARTITIONS = {
    "target_popularity": "training events of the target",
    "target_tail": "head and tail: where the target stands",
    "history_length": "events before the target",
    "ties": "whether the user's last event shares its time with the one before it",
}


def systems_of(report: dict[str, Any], condition: str) -> dict[str, dict[str, Any]]:
    """Metrics by system under a condition, the recommending one first; empty where it was not measured."""
    if condition not in report:
        return {}
    others = {name: report["baselines"].get(name, {}).get(condition) for name in SYSTEMS}
    others["model"] = report.get("model", {}).get(condition)
    return {main_of(report): report[condition], **{name: found for name, found in others.items() if found}}


def ours(report: dict[str, Any]) -> str:
    """The name of what the run recommends by, as tables head its row."""
    return SYSTEMS[main_of(report)]


def conditions_of(report: dict[str, Any]) -> list[str]:
    """Names of the conditions that were measured, validation first."""
    return [name for name in CONDITIONS if name in report]


def results(report: dict[str, Any]) -> Section | None:
    """The headline: every system under every condition, and how the model stands to its rivals."""
    shown = conditions_of(report)
    if not shown:
        return None
    return Section(
        "results",
        "Results",
        text=[*sentences.verdicts(report), *sentences.blend(report), *sentences.scope(report)],
        blocks=[_headline(report, shown), _headline_chart(report, shown), _differences(report, shown)],
        fold="All cutoffs",
        folded=[_cutoffs(report, name) for name in shown],
    )


def _headline(report: dict[str, Any], shown: list[str]) -> Table:
    rows = []
    for system in SYSTEMS:
        if not any(system in systems_of(report, name) for name in shown):
            continue
        cells = [_cell(report, name, system, key) for name in shown for key in _HEADLINE]
        rows.append([SYSTEMS[system], *cells])
    return Table(
        f"{ours(report)} beside its rivals; the best of a column in bold, 95% intervals below",
        ["", *(metric_name(key) for _ in shown for key in _HEADLINE)],
        rows,
        groups=[(CONDITIONS[name], len(_HEADLINE)) for name in shown],
        ours=ours(report),
    )


def _differences(report: dict[str, Any], shown: list[str]) -> Table:
    rows = []
    for rival in SYSTEMS:
        found = report["differences"].get(rival)
        if found:
            cells = [_gap(found.get(name, {}).get(key)) for name in shown for key in _HEADLINE]
            rows.append([SYSTEMS[rival], *cells])
    return Table(
        f"{ours(report)} minus each rival on the same users; bold where the 95% interval does not hold 0",
        ["", *(metric_name(key) for _ in shown for key in _HEADLINE)],
        rows,
        groups=[(CONDITIONS[name], len(_HEADLINE)) for name in shown],
    )


def _gap(found: dict[str, Any] | None) -> Cell:
    if found is None:
        return UNKNOWN
    shape = Markup("{}") if found["verdict"] == "level" else Markup("<strong>{}</strong>")
    low, high = map(signed, found["interval"])
    return shape.format(signed(found["difference"])) + Markup("<small>{} to {}</small>").format(low, high)


def _cutoffs(report: dict[str, Any], condition: str) -> Table:
    systems = systems_of(report, condition)
    keys = list(report["intervals"][main_of(report)][condition])
    keys.sort(key=lambda key: (key.startswith("ndcg"), int(key.partition("@")[2])))
    rows = [[SYSTEMS[system], *(_cell(report, condition, system, key) for key in keys)] for system in systems]
    return Table(
        f"Recall and NDCG at all cutoffs, {CONDITIONS[condition]}",
        ["", *map(metric_name, keys)],
        rows,
        ours=ours(report),
    )


def _cell(report: dict[str, Any], condition: str, system: str, key: str) -> Cell:
    systems = systems_of(report, condition)
    if system not in systems:
        return UNKNOWN
    value = systems[system][key]
    best = value > 0 and value == max(found[key] for found in systems.values())
    return measured(value, report["intervals"][system][condition][key], best=best)


def _headline_chart(report: dict[str, Any], shown: list[str]) -> Figure:
    series = []
    for system in SYSTEMS:
        found = [systems_of(report, name).get(system) for name in shown]
        if any(found):
            spans = [
                report["intervals"][system][name][METRIC] if entry else None
                for name, entry in zip(shown, found, strict=True)
            ]
            values = [entry[METRIC] if entry else None for entry in found]
            series.append(charts.Series(SYSTEMS[system], values, intervals=spans))
    name = metric_name(METRIC)
    groups = [CONDITIONS[condition] for condition in shown]
    label = f"{name} of each system with its interval: the numbers are in the table above"
    return Figure(
        charts.dots(groups, series, label=label, y_name=name), f"{name} with 95% intervals over users"
    )


def slices(report: dict[str, Any]) -> Section | None:
    """The same over parts of the users."""
    shown = [name for name in conditions_of(report) if name != "validation"]
    if not shown:
        return None
    blocks: list[Block] = []
    for partition, words in _PARTITIONS.items():
        parts = report["slices"][shown[0]][partition]
        if len(parts) > 1:
            blocks.append(_slice_chart(parts, words, shown[0]))
    return Section(
        "slices",
        "Slices",
        text=list(sentences.slices(report)),
        blocks=blocks,
        fold="Tables of all slices",
        folded=[
            _slice_table(report["slices"][name][partition], words, name)
            for name in shown
            for partition, words in _PARTITIONS.items()
        ],
    )


def _slice_chart(parts: list[dict[str, Any]], words: str, condition: str) -> Figure:
    series = [
        charts.Series(
            SYSTEMS[system],
            [part["means"][system][METRIC] for part in parts],
            intervals=[part["intervals"][system][METRIC] for part in parts],
        )
        for system in SYSTEMS
        if system in parts[0]["means"]
    ]
    name = metric_name(METRIC)
    label = f"{name} by {words}: the numbers are in the tables below"
    chart = charts.dots([part["slice"] for part in parts], series, label=label, y_name=name)
    return Figure(chart, f"{name} by {words}, {CONDITIONS[condition]}")


def _slice_table(parts: list[dict[str, Any]], words: str, condition: str) -> Table:
    systems = [system for system in SYSTEMS if parts and system in parts[0]["means"]]
    rows = []
    for part in parts:
        cells = [
            measured(
                part["means"][system][key],
                part["intervals"][system][key],
                best=0 < part["means"][system][key] == max(found[key] for found in part["means"].values()),
            )
            for key in _HEADLINE
            for system in systems
        ]
        rows.append([part["slice"], count(part["users"]), *cells])
    return Table(
        f"By {words}, {CONDITIONS[condition]}",
        ["", "users", *(SYSTEMS[system] for _ in _HEADLINE for system in systems)],
        rows,
        groups=[("", 1), *((metric_name(key), len(systems)) for key in _HEADLINE)],
    )

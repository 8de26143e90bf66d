"""The sections of what is recommended: spread over the catalogue, the long tail, examples."""

from typing import Any

from markupsafe import Markup

from clairo.report import charts, sentences
from clairo.report.page_results import conditions_of, ours, systems_of
from clairo.report.parts import Block, Figure, Section, Table, count
from clairo.report.sentences import CONDITIONS, SYSTEMS


def catalogue(report: dict[str, Any]) -> Section | None:
    """Coverage, concentration and the long tail."""
    tail = report["popularity"]
    curve = tail["curve"]
    if not curve["rank"]:
        return None
    line = charts.Series("items", curve["events"], x=curve["rank"])
    chart = charts.lines(
        [line],
        label="Training events of an item against its popularity rank, both on logarithmic axes",
        x_name="popularity rank",
        y_name="training events",
        log=True,
        border=tail["head_items"],
    )
    blocks: list[Block] = [_spread(report, name) for name in conditions_of(report) if name != "validation"]
    blocks.append(Figure(chart, "Training events of items by popularity; the dashed line ends the head"))
    blocks += [_bins(report, name) for name in conditions_of(report) if name != "validation"]
    return Section(
        "catalogue",
        "Catalogue and long tail",
        text=list(sentences.catalogue(report)),
        blocks=blocks,
    )


def _spread(report: dict[str, Any], condition: str) -> Table:
    keys = ("coverage@10", "gini@10", "tail_share@10", "new_share@10")
    rows = [
        [SYSTEMS[system], *(f"{found[key]:.4f}" for key in keys)]
        for system, found in systems_of(report, condition).items()
    ]
    heads = ["", "Coverage@10", "Gini@10", "Tail share@10", "New items' share@10"]
    return Table(f"Spread over the catalogue, {CONDITIONS[condition]}", heads, rows, ours=ours(report))


def _bins(report: dict[str, Any], condition: str) -> Table:
    tail = report["popularity"]
    shares = tail["recommended"][condition]
    systems = [system for system in SYSTEMS if system in shares]
    columns = [
        tail["items"],
        tail["training"],
        tail["targets"][condition],
        *(shares[name] for name in systems),
    ]
    rows = [
        [label, *(f"{column[row]:.1%}" for column in columns)]
        for row, label in enumerate(tail["bins"])
        if any(column[row] for column in columns)
    ]
    heads = ["training events of the item", "items", "training events", "targets"]
    return Table(
        f"Where recommendations fall: shares of the first ten places by popularity, {CONDITIONS[condition]}",
        [*heads, *(SYSTEMS[name] for name in systems)],
        rows,
    )


def examples(report: dict[str, Any]) -> Section | None:
    """The items recommended most, and the lists of a few users."""
    examples = report["examples"]
    if examples is None:
        return None
    most = [
        [_item(entry), f"{entry['share_of_users']:.1%}", count(entry["training_events"])]
        for entry in examples["most_recommended"]
    ]
    lists = [
        [
            user["user"],
            _several(user["history"]),
            _item(user["target"]),
            _several(user["recommended"]),
            "not listed" if user["rank"] is None else str(user["rank"]),
        ]
        for user in examples["users"]
    ]
    where = CONDITIONS[examples["condition"]]
    return Section(
        "examples",
        "From close by",
        blocks=[
            Table(
                f"Items in most users' first ten, {where}",
                ["item", "share of users", "training events"],
                most,
            ),
            Table(
                f"Users drawn at random, {where}: the end of the history, what came next, the first items "
                "recommended",
                ["user", "history, latest last", "target", "recommended, best first", "target's rank"],
                lists,
                words=True,
            ),
        ],
    )


def _several(items: list[dict[str, Any]]) -> Markup:
    return Markup("<br>").join(_item(item) for item in items)


def _item(entry: dict[str, Any]) -> str:
    return f"{entry['title']} ({entry['item']})" if entry["title"] else str(entry["item"])

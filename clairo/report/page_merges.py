"""The merges of the vocabulary: what they join, and how the corpus shrinks."""

from collections.abc import Sequence
from typing import Any

from clairo.report import charts
from clairo.report.parts import Block, Figure, Table, count

_SIZE = "tokens in the vocabulary"
_ROWS = 12
_SHRINKS = (
    "Tokens of the training histories after each merge, which may join any two tokens of a set; "
    "encoding puts a set in a random order and joins neighbours alone, so it leaves more as a rule"
)


def blocks(merges: dict[str, Any]) -> list[Block]:
    """A table of what merges join, and its course as the vocabulary grew."""
    return [_table(merges), *_figures(merges["growth"])]


def _table(merges: dict[str, Any]) -> Table:
    rows = []
    for found in merges["kinds"][:_ROWS]:
        joins = found["inside"] + found["across"]
        share = found["merges"] / merges["merges"]
        rows.append(
            [
                found["kinds"],
                count(found["merges"]),
                f"{share:.1%}" + charts.bar(share),
                count(found["inside"]),
                count(found["across"]),
                f"{found['across'] / joins if joins else 0:.1%}",
            ]
        )
    heads = [
        "features of",
        "merges",
        "share of merges",
        "made inside an action",
        "across two",
        "share across",
    ]
    caption = "What merged tokens hold, and how often their merges were made in the training histories"
    return Table(caption, heads, rows)


def _figures(growth: dict[str, Any]) -> list[Figure]:
    across = [("merges mostly across", growth["mostly_across"]), ("all joins", growth["joins_across"])]
    figures = [
        _figure(
            growth, growth["kinds"], "Share of merges so far by what their tokens hold", "share of merges"
        ),
        _figure(growth, across, "Share across two actions so far, of merges and of joins", "share across"),
    ]
    if growth["tokens"] is not None:
        tokens = [("tokens", growth["tokens"])]
        figures.append(_figure(growth, tokens, _SHRINKS, "tokens left"))
    return figures


def _figure(
    growth: dict[str, Any], lines: Sequence[tuple[str, list[float]]], words: str, y_name: str
) -> Figure:
    series = [charts.Series(name, values, x=growth["size"]) for name, values in lines]
    chart = charts.lines(series, label=f"{words}, by {_SIZE}", x_name=_SIZE, y_name=y_name)
    return Figure(chart, words)

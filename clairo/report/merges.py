"""What the vocabulary's merges joined, from the log that its stage wrote."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clairo.codes.disambiguation import NAME as DISAMBIGUATION

_FILE = "merges.parquet"
_POINTS = 120
_LINES = 4
WITH_DISAMBIGUATION = f"with {DISAMBIGUATION}"
OTHERS = "others"


def merges(folder: Path) -> dict[str, Any] | None:
    """The log in numbers, whole and as the vocabulary grew; None where there is no merge.

    A merge's kinds are those of all features of its token. One is cross-modal if it has more kinds than one,
    disambiguation, which says nothing of an item but that it is another, not counted.
    """
    path = folder / _FILE
    log = pl.read_parquet(path) if path.is_file() else pl.DataFrame()
    if log.is_empty():
        return None
    content = [[kind for kind in kinds.split(" + ") if kind != DISAMBIGUATION] for kinds in log["kinds"]]
    return {
        "merges": len(log),
        "cross_modal": sum(len(kinds) > 1 for kinds in content),
        "kinds": _kinds(log),
        "growth": _growth(log),
    }


def _kinds(log: pl.DataFrame) -> list[dict[str, Any]]:
    """For each set of kinds its merges and how often they were made; the most first."""
    counted = log.group_by("kinds").agg(pl.len().alias("merges"), pl.col("inside", "across").sum())
    return counted.sort(["merges", "kinds"], descending=[True, False]).to_dicts()


def _growth(log: pl.DataFrame) -> dict[str, Any]:
    """Shares of all merges so far, at some sizes of the vocabulary."""
    n = len(log)
    at = np.unique(np.linspace(0, n - 1, min(n, _POINTS)).round().astype(np.int64))
    inside, across = (log[name].to_numpy().astype(np.float64) for name in ("inside", "across"))
    tokens = log["corpus_tokens"]
    return {
        "size": (log["token"].to_numpy()[at].astype(np.int64) + 1).tolist(),
        "kinds": [[label, _so_far(mine, np.ones(n), at)] for label, mine in _lines(log).items()],
        "mostly_across": _so_far(across > inside, np.ones(n), at),
        "joins_across": _so_far(across, inside + across, at),
        "tokens": None if tokens.null_count() else tokens.gather(at).to_list(),
    }


def _lines(log: pl.DataFrame) -> dict[str, NDArray[np.bool_]]:
    """By label the merges of a line: the most frequent kinds, all that have disambiguation as one."""
    label = pl.when(pl.col("kinds").str.split(" + ").list.contains(DISAMBIGUATION))
    labels = log.select(label.then(pl.lit(WITH_DISAMBIGUATION)).otherwise("kinds"))["literal"]
    found = labels.value_counts().sort(["count", "literal"], descending=[True, False])["literal"].to_list()
    shown = found if len(found) <= _LINES else found[: _LINES - 1]
    lines = {
        name: (labels == name).to_numpy() for name in sorted(shown, key=lambda name: (name.count("+"), name))
    }
    if len(shown) < len(found):
        lines[OTHERS] = (~labels.is_in(shown)).to_numpy()
    return lines


def _so_far(part: NDArray[Any], whole: NDArray[Any], at: NDArray[np.int64]) -> list[float]:
    share: list[float] = (np.cumsum(part)[at] / np.maximum(np.cumsum(whole)[at], 1)).tolist()
    return share

"""The measured part of a report: every system under every condition, whole and in slices."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from clairo import rng
from clairo.artifacts import Sequences
from clairo.metrics import CUTOFFS
from clairo.report import catalogue, slices
from clairo.report.bootstrap import LEVEL, MODEL, measure
from clairo.report.rankings import BLEND, CONDITIONS, Condition, Rankings, read

_SLICE_CUTOFFS = (10,)


@dataclass(frozen=True)
class Catalogue:
    """The items as training saw them.

    Attributes:
        events: (n_items,) int64 training events of each item.
        head: (n_items,) bool, the most popular items that hold all but the tail's share of events.
    """

    events: NDArray[np.int64]
    head: NDArray[np.bool_]

    @classmethod
    def of(cls, table: Sequences, tail_share: float) -> Self:
        """Count training events and part head from tail."""
        events = np.bincount(table.training()[1], minlength=table.n_items)
        return cls(events, catalogue.head(events, tail_share))

    @property
    def new(self) -> NDArray[np.bool_]:
        """(n_items,) bool, items without a training event."""
        new: NDArray[np.bool_] = self.events == 0
        return new

    def bins(self) -> NDArray[np.int64]:
        """(n_items,) int64, the popularity bin of each item."""
        return slices.bins(self.events, slices.POPULARITY)


def conditions(folder: Path, table: Sequences) -> dict[str, tuple[Condition, Rankings]]:
    """The conditions for which the model has lists, by name."""
    found = {condition.name: (condition, read(folder, table, condition)) for condition in CONDITIONS}
    return {name: (condition, lists) for name, (condition, lists) in found.items() if lists is not None}


def results(
    measured: dict[str, tuple[Condition, Rankings]],
    table: Sequences,
    items: Catalogue,
    *,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Metrics, intervals, differences, slices and samples by condition.

    Metrics of what the run recommends stand at the top under the condition's name, those of the rivals under
    `baselines`. Where that is a blend they stand under `blend` as well, those of the model alone under
    `model`. Differences are what the run recommends minus each other system.
    """
    report: dict[str, Any] = {"baselines": {}, "differences": {}, "samples": {}, "slices": {}}
    report["intervals"] = {"level": LEVEL, "resamples": resamples}
    for name, (condition, lists) in measured.items():
        whole = measure(
            lists.ranks,
            CUTOFFS,
            resamples=resamples,
            rng=rng.generator(seed, "report", "bootstrap", name),
            reference=lists.main,
        )
        for system, means in whole["means"].items():
            spread = catalogue.spread(lists.top[system], tail=~items.head, new=items.new)
            for place in _places(report, system, lists.main):
                place[name] = means | spread | {"users": len(lists.users)}
            report["intervals"].setdefault(system, {})[name] = whole["intervals"][system]
        for rival, differences in whole["differences"].items():
            report["differences"].setdefault(rival, {})[name] = differences
        report["samples"][name] = _sample(lists)
        report["slices"][name] = _slices(condition, lists, table, items, resamples, seed)
    return report


def _places(report: dict[str, Any], system: str, main: str) -> list[dict[str, Any]]:
    """Where in the report a system's metrics stand."""
    if system not in (MODEL, BLEND):
        return [report["baselines"].setdefault(system, {})]
    if main == MODEL:
        return [report]
    own = report.setdefault(system, {})
    return [report, own] if system == main else [own]


def popularity(
    measured: dict[str, tuple[Condition, Rankings]], table: Sequences, items: Catalogue
) -> dict[str, Any]:
    """The long tail of training events, and which shares of targets and lists fall on each bin of it."""
    part, n_bins = items.bins(), len(slices.POPULARITY)
    report: dict[str, Any] = {
        "curve": catalogue.curve(items.events),
        "head_items": int(items.head.sum()),
        "new_items": int(items.new.sum()),
        "bins": list(slices.popularity_labels()),
        "items": _shares(part, np.ones_like(items.events), n_bins),
        "training": _shares(part, items.events, n_bins),
        "targets": {},
        "recommended": {},
    }
    for name, (condition, lists) in measured.items():
        target = table.events[table.offsets[lists.users] + getattr(table, condition.split)[lists.users]]
        wanted = np.bincount(target, minlength=table.n_items)
        report["targets"][name] = _shares(part, wanted, n_bins)
        report["recommended"][name] = {
            system: _shares(part, catalogue.slots(top, table.n_items), n_bins)
            for system, top in lists.top.items()
        }
    return report


def _shares(part: NDArray[np.int64], weights: NDArray[np.int64], n_bins: int) -> list[float]:
    """Share of the weight that falls on each bin."""
    total = max(int(weights.sum()), 1)
    return [float(weights[part == row].sum() / total) for row in range(n_bins)]


def _sample(lists: Rankings) -> dict[str, Any]:
    return {"sampled": len(lists.users) < lists.of, "users": len(lists.users), "of": lists.of}


def _slices(
    condition: Condition, lists: Rankings, table: Sequences, items: Catalogue, resamples: int, seed: int
) -> dict[str, Any]:
    """For each partition its parts that hold a user: size, means and intervals of all systems."""
    found = {}
    for partition in slices.partitions(
        table, condition.split, lists.users, events=items.events, head=items.head
    ):
        parts = []
        for row, label in enumerate(partition.labels):
            inside = partition.part == row
            if inside.any():
                stream = rng.generator(seed, "report", "bootstrap", condition.name, partition.name, label)
                ranks = {system: values[inside] for system, values in lists.ranks.items()}
                part = measure(ranks, _SLICE_CUTOFFS, resamples=resamples, rng=stream, reference=lists.main)
                parts.append({"slice": label, "users": int(inside.sum()), **part})
        found[partition.name] = parts
    return found

"""The results of a grid: from finished runs to one JSON-able value, updated as runs come in."""

import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clairo.ablation.grid import Cell, Grid, Side
from clairo.ablation.measured import CONDITIONS, failed, measured, rivals, summary
from clairo.ablation.run import Run
from clairo.errors import InputError
from clairo.report.bootstrap import LEVEL
from clairo.report.seeds import compare_seeds


@dataclass
class Results:
    """What is known of a grid's runs.

    Attributes:
        grid: the grid.
        runs: all of them.
        how: cores, and jobs, threads and accelerator, that runs are made with in this call.
    """

    grid: Grid
    runs: list[Run]
    how: dict[str, Any]
    _done: dict[str, dict[str, Any]] = field(default_factory=dict)
    _gaps: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)

    def take(self, run: Run) -> dict[str, Any]:
        """Read a finished run."""
        self._done[run.name] = found = measured(run)
        return found

    def assemble(self) -> dict[str, Any]:
        """Everything as one value: cells, rivals, differences from the baseline, and the pairs asked for."""
        grid = self.grid
        base = self._of(grid.baseline)
        others = [cell.name for cell in grid.cells if cell.name != grid.baseline]
        return {
            "grid": grid.name,
            "title": grid.title,
            "about": grid.about,
            "base": grid.base,
            "baseline": grid.baseline,
            "level": LEVEL,
            "resamples": grid.resamples,
            "how": self.how | {"machine": f"{platform.system()} {platform.machine()}"},
            "versions": self._versions(),
            "cells": {cell.name: self._cell(cell) for cell in grid.cells},
            "rivals": rivals(base),
            "rivals_differ": self._rivals_differ(),
            "differences": [self._gap((name, None), (grid.baseline, None)) for name in others],
            "pairs": [self._gap(first, second) for first, second in grid.pairs],
        }

    def _of(self, cell: str) -> list[dict[str, Any]]:
        """Finished runs of a cell, in the order of its seeds."""
        found = [self._done.get(run.name) for run in self.runs if run.cell.name == cell]
        return [run for run in found if run is not None]

    def _cell(self, cell: Cell) -> dict[str, Any]:
        runs = [run for run in self.runs if run.cell.name == cell.name]
        done = self._of(cell.name)
        return {
            "about": cell.about,
            "options": cell.options,
            "seeds": [run["seed"] for run in done],
            "asked": len(runs),
            "figures": summary(done),
            "alone": summary([run["alone"] for run in done]),
            "runs": [
                {key: value for key, value in self._done[run.name].items() if key != "versions"}
                if run.name in self._done
                else failed(run, run.failure())
                for run in runs
            ],
        }

    def _rivals_differ(self) -> bool:
        """Whether rivals, which no option of the model touches, are others in some cell of the same seed."""
        found = [(run["seed"], _rounded(run["rivals"])) for run in self._done.values()]
        of_seed = dict(found)
        return any(rival != of_seed[seed] for seed, rival in found)

    def _versions(self) -> dict[str, list[str]]:
        """Those of each library that finished runs were made with."""
        found: dict[str, set[str]] = {}
        for run in self._done.values():
            for library, version in run["versions"].items():
                found.setdefault(library, set()).add(version)
        return {library: sorted(versions) for library, versions in found.items()}

    def _gap(self, first: Side, second: Side) -> dict[str, Any]:
        """One side minus the other under every condition, over the seeds that both have finished."""
        found: dict[str, Any] = {"first": _name(first), "second": _name(second), "seeds": []}
        sides = [{run["seed"]: run for run in self._of(cell)} for cell, _ in (first, second)]
        seeds = [seed for seed in sides[0] if seed in sides[1]]
        if not seeds:
            return found
        found["seeds"] = seeds
        for condition in CONDITIONS:
            if all(condition in side[seed] for side in sides for seed in seeds):
                try:
                    found[condition] = self._compared(first, second, sides, seeds, condition)
                except InputError as error:
                    found["problem"] = error.message
        return found

    def _compared(
        self,
        first: Side,
        second: Side,
        sides: list[dict[int, dict[str, Any]]],
        seeds: list[int],
        condition: str,
    ) -> dict[str, Any]:
        """A comparison, made once for the same reports."""
        made_of = tuple(side[seed]["report"] for side in sides for seed in seeds)
        key = (first, second, made_of, condition)
        if key not in self._gaps:
            self._gaps[key] = compare_seeds(
                self._folders(first, sides[0], seeds),
                self._folders(second, sides[1], seeds),
                condition=condition,
                resamples=self.grid.resamples,
            )
        return self._gaps[key]

    def _folders(
        self, side: Side, done: dict[int, dict[str, Any]], seeds: list[int]
    ) -> list[tuple[Path, str]]:
        cell, system = side
        folders = {run.seed: run.folder for run in self.runs if run.cell.name == cell}
        return [(folders[seed], system or done[seed]["system"]) for seed in seeds]


def _name(side: Side) -> str:
    cell, system = side
    return cell if system is None else f"{cell}:{system}"


def _rounded(found: Any) -> Any:
    """Nested metrics without the digits that another order of sums may change."""
    if isinstance(found, dict):
        return {name: _rounded(entry) for name, entry in found.items()}
    return round(found, 9)

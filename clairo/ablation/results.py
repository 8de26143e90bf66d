"""The results of a grid: from finished runs to one JSON-able value, updated as runs come in."""

import os
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clairo.ablation.grid import Cell, Grid
from clairo.ablation.measured import CONDITIONS, failed, measured, rivals, summary
from clairo.ablation.run import Run
from clairo.errors import InputError
from clairo.report.bootstrap import LEVEL, MODEL
from clairo.report.seeds import compare_seeds

Side = tuple[str, str]


@dataclass
class Results:
    """What is known of a grid's runs.

    Attributes:
        grid: the grid.
        runs: all of them.
        how: jobs, threads and accelerator that the runs are made with.
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
            "how": self.how
            | {"cores": os.cpu_count(), "machine": f"{platform.system()} {platform.machine()}"},
            "versions": next((run["versions"] for run in self._done.values()), {}),
            "cells": {cell.name: self._cell(cell) for cell in grid.cells},
            "rivals": rivals(base),
            "rivals_differ": self._rivals_differ(),
            "differences": [self._gap((name, MODEL), (grid.baseline, MODEL)) for name in others],
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
            "runs": [
                {key: value for key, value in self._done[run.name].items() if key != "versions"}
                if run.name in self._done
                else failed(run, run.failure())
                for run in runs
            ],
        }

    def _rivals_differ(self) -> bool:
        """Whether rivals, which no option of the model touches, are others in some cell: its data differ."""
        test = [rivals(self._of(cell.name)) for cell in self.grid.cells if self._of(cell.name)]
        return any(_means(found) != _means(test[0]) for found in test)

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
                self._folders(first, seeds),
                self._folders(second, seeds),
                condition=condition,
                resamples=self.grid.resamples,
            )
        return self._gaps[key]

    def _folders(self, side: Side, seeds: list[int]) -> list[tuple[Path, str]]:
        cell, system = side
        folders = {run.seed: run.folder for run in self.runs if run.cell.name == cell}
        return [(folders[seed], system) for seed in seeds]


def _name(side: Side) -> str:
    cell, system = side
    return cell if system == MODEL else f"{cell}:{system}"


def _means(found: dict[str, dict[str, dict[str, float | None]]]) -> dict[str, dict[str, float]]:
    """Rounded, as their own drawing of equals differs with the seed."""
    return {
        rival: {name: round(entry["mean"] or 0.0, 6) for name, entry in figures.items()}
        for rival, figures in found.items()
    }

"""Running a grid: what stands is left, the rest is made, and the page grows with every run."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from clairo import log, processes
from clairo.ablation import page
from clairo.ablation.grid import Grid
from clairo.ablation.jobs import Jobs
from clairo.ablation.results import Results
from clairo.ablation.run import Run, runs_of
from clairo.artifacts.store import Store, write_json, write_text
from clairo.errors import ClairoError, InputError
from clairo.report.bootstrap import MODEL
from clairo.report.parts import duration

JSON, MARKDOWN, HTML, TABLE = "ablation.json", "ablation.md", "ablation.html", "runs.parquet"
_SCHEMA = pl.Schema(
    {
        "cell": pl.String,
        "seed": pl.Int64,
        "digest": pl.String,  # of the configuration
        "system": pl.String,  # blend, model or a rival
        "condition": pl.String,  # validation, test or masked
        "metric": pl.String,
        "value": pl.Float64,
    }
)


@dataclass(frozen=True)
class Outcome:
    """What came of a grid.

    Attributes:
        folder: where everything lies.
        done: finished runs, those of earlier calls included.
        failures: message and exit code of each run that failed, by its name.
    """

    folder: Path
    done: int
    failures: dict[str, tuple[str, int]] = field(default_factory=dict)

    def error(self) -> ClairoError | None:
        """The error to end with: bad input if every failed run had that, else a fault of the machine."""
        if not self.failures:
            return None
        told = "\n".join(f"{name}: {message}" for name, (message, _) in self.failures.items())
        kind = InputError if all(code == 2 for _, code in self.failures.values()) else ClairoError
        return kind(
            f"{len(self.failures)} of {self.done + len(self.failures)} runs failed\n{told}",
            hint="the same command tries them again; the others stand",
        )


def ablate(
    grid: Grid, out: Path, *, jobs: int | None = None, threads: int = 1, shared: Path | None = None
) -> Outcome:
    """Make every run of a grid, and write `ablation.json`, `.md`, `.html` and `runs.parquet` into `out`.

    Each run is an ordinary run folder, `out/runs/CELL/seed-N`. Runs share what stages make alike, and one
    that fails stops no other.

    Args:
        grid: the grid.
        out: folder; what stands in it from an earlier call is not made again.
        jobs: runs at a time; if left out one on an accelerator, else as many as `threads` go into the cores.
        threads: of each run. Unlike `jobs`, they can show in the last digits of results.
        shared: where stages are shared, `out/shared` if left out; grids that share it share their stages.

    Raises:
        InputError: `out` cannot be written, or another process works in it; `jobs` or `threads` below 1.
    """
    for name, number in (("jobs", jobs), ("threads", threads)):
        if number is not None and number < 1:
            raise InputError(f"{name} = {number} is below 1")
    if processes.count() > 1:
        raise InputError(
            "a grid starts its own processes", hint="type it without torchrun or accelerate launch"
        )
    accelerator = _accelerator(grid)
    jobs = jobs or (1 if accelerator else max(1, _cores() // threads))
    how = {"cores": _cores(), "jobs": jobs, "threads": threads, "accelerator": accelerator}
    with Store(out).locked():
        work = _Work(out, Results(grid, runs_of(grid, out), how))
        waiting = work.look()
        work.write()
        with log.step("runs", total=len(work.results.runs)) as step:
            step.advance(len(work.results.runs) - len(waiting))
            Jobs((shared or out / "shared").resolve(), jobs, threads, work.ended).make(waiting, step)
    return Outcome(out, len(work.results.runs) - len(work.failures), work.failures)


@dataclass
class _Work:
    """A grid under way."""

    out: Path
    results: Results
    failures: dict[str, tuple[str, int]] = field(default_factory=dict)

    def look(self) -> list[Run]:
        """Read the runs that stand, and give the others: those that were under way come first."""
        waiting = []
        with log.step("look for finished runs", total=len(self.results.runs)) as step:
            for run in self.results.runs:
                if run.is_done():
                    self.results.take(run)
                else:
                    waiting.append(run)
                step.advance()
        if len(waiting) < len(self.results.runs):
            log.logger.info(
                "%d of %d runs stand", len(self.results.runs) - len(waiting), len(self.results.runs)
            )
        return sorted(waiting, key=lambda run: not run.under_way())

    def ended(self, run: Run, result: dict[str, Any]) -> None:
        """Take in what came of a run, and bring the page up to date."""
        if result["state"] == "done":
            found = self.results.take(run)
            reached = found.get("test", {}).get("ndcg@10", float("nan"))
            log.logger.info(
                "%s: done, NDCG@10 on test %.4f, %s", run.name, reached, duration(60 * found["minutes"])
            )
        else:
            message, code = result.get("message", "it was stopped"), result.get("code", 1)
            run.fail(message, code)
            self.failures[run.name] = message, code
            log.logger.error("%s: failed: %s", run.name, message)
        self.write()

    def write(self) -> None:
        """Write the results, each file whole or not at all."""
        result = self.results.assemble()
        write_json(self.out / JSON, result)
        write_text(self.out / MARKDOWN, page.markdown(result))
        write_text(self.out / HTML, page.html(result))
        partial = self.out / f".{TABLE}.partial"
        _long(result).write_parquet(partial)
        partial.replace(self.out / TABLE)


def _long(result: dict[str, Any]) -> pl.DataFrame:
    """Every metric of every finished run, a row each."""
    rows = []
    for name, cell in result["cells"].items():
        for run in cell["runs"]:
            if run["state"] == "done":
                systems = {MODEL: run["alone"]} | {run["system"]: run} | run["rivals"]
                for system, found in systems.items():
                    for condition in ("validation", "test", "masked"):
                        for metric, value in found.get(condition, {}).items():
                            rows.append((name, run["seed"], run["digest"], system, condition, metric, value))
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _accelerator(grid: Grid) -> str | None:
    """The accelerator that runs would use, if there is one."""
    if all(config.model.device == "cpu" for cell in grid.cells for config in cell.configs.values()):
        return None
    import torch

    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None:
        return None
    return torch.cuda.get_device_name() if found.type == "cuda" else found.type

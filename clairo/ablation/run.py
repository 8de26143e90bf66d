"""One run of a grid: a cell with a seed, in a run folder of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clairo import config as configuration
from clairo import pipeline
from clairo.ablation.grid import Cell, Grid, config_digest
from clairo.artifacts.store import read_json, write_json, write_text
from clairo.config import Config
from clairo.errors import InputError

FAILED = "failed.json"
"""Why a run failed, in its folder, until it is tried again."""


@dataclass(frozen=True)
class Run:
    """A cell with a seed.

    Attributes:
        cell: whose.
        seed: of all that the run draws.
        folder: its run folder, which all commands take.
    """

    cell: Cell
    seed: int
    folder: Path

    @property
    def name(self) -> str:
        """As people are told of it."""
        return f"{self.cell.name}, seed {self.seed}"

    @property
    def config(self) -> Config:
        """The whole configuration."""
        return self.cell.configs[self.seed]

    @property
    def digest(self) -> str:
        """What tells its configuration from others."""
        return config_digest(self.config)

    def prepare(self) -> None:
        """Leave the configuration where the job looks for it, and forget an earlier failure."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / FAILED).unlink(missing_ok=True)
        write_text(self.folder / pipeline.CONFIG_FILE, configuration.dump(self.config))

    def is_done(self) -> bool:
        """Whether every artefact of the configuration stands."""
        try:
            return all(state.state == "done" for state in pipeline.status(self.config, self.folder))
        except (InputError, OSError):  # a file of the data is gone: making the run tells which
            return False

    def under_way(self) -> bool:
        """Whether a stage of it was begun and not finished."""
        work = self.folder / ".work"
        return work.is_dir() and any(work.iterdir())

    def fail(self, message: str, code: int) -> None:
        """Note why the run failed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / FAILED, {"message": message, "code": code})

    def failure(self) -> dict[str, Any] | None:
        """Why the last attempt failed, as `message` and exit `code`."""
        path = self.folder / FAILED
        found: dict[str, Any] | None = read_json(path) if path.is_file() else None
        return found


def runs_of(grid: Grid, out: Path) -> list[Run]:
    """All runs of a grid: the first seed of every cell, then the second, so that all cells grow together."""
    most = max(len(cell.configs) for cell in grid.cells)
    return [
        Run(cell, seed, out / "runs" / cell.folder / f"seed-{seed}")
        for place in range(most)
        for cell in grid.cells
        for seed in list(cell.configs)[place : place + 1]
    ]

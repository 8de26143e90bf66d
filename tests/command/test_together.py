"""`clairo run` in two processes: one runs the stages, both train, and they end together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def together(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Type a command as `torchrun` does, in two processes on this machine."""
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "--no-python"]
    return subprocess.run(
        [sys.executable, "-m", *launcher, sys.executable, "-m", "clairo.cli", *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
    )


def test_two_processes_make_one_run(world: Any) -> None:
    answer = together(world.command(model__device="cpu"), world.folder)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines() == [str(world.out / "report" / "report.html")]
    assert answer.stderr.count("model: made in") == answer.stderr.count("epoch 2: loss") == 1
    history = json.loads((world.out / "model" / "history.json").read_text())
    assert [entry["rows"] for entry in history] == [16, 16]  # half of a batch of 32 each


def test_if_one_fails_both_end(world: Any) -> None:
    world.write_reviews(["{"])
    answer = together(world.command(model__device="cpu"), world.folder)
    assert answer.returncode != 0
    assert answer.stderr.count("clairo: ") == 1
    assert "Things_5.json.gz" in answer.stderr
    assert "exitcode  : 2" in answer.stderr  # the launcher's own code is always 1

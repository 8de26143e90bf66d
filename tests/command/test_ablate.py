"""A grid through the command: shared stages, a cell that fails, a change, a kill, Ctrl-C."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import polars as pl
import pytest

from clairo import Recommender, config
from clairo.ablation.grid import config_digest
from clairo.artifacts.shared import is_free
from clairo.artifacts.store import LOCK

from .conftest import SMALL, World

if TYPE_CHECKING:
    from pathlib import Path

GRID = """
title = "Things <alone> | together"
config = "things.toml"
seeds = [0, 1]
baseline = "two views"
pairs = [["two views", "two views:item2item"], ["one view", "one view:model"]]
resamples = 200

[set]
model.epochs = 1

[cells."two views"]

[cells."one view"]
recommendations.views = 1
recommendations.blend = 0.5
seeds = [0]

[cells."larger books"]
about = "more values than there are items"
codes.values = 64
seeds = [0]
"""
RUNS = {"two-views/seed-0", "one-view/seed-0", "two-views/seed-1"}


def words(world: World, *more: object) -> list[str]:
    (world.folder / "grid.toml").write_text(GRID, "utf-8")
    # The cells' own options lie over these: all but the number of epochs and of views is that of `SMALL`.
    free = [option for option in SMALL if not option.startswith(("model.epochs", "codes.values"))]
    sets = [word for option in free for word in ("--set", option)]
    return [
        str(word)
        for word in ("ablate", world.folder / "grid.toml", "--out", world.folder / "grid", *sets, *more)
    ]


@pytest.fixture(scope="module")
def ablated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The grid made by the command, two runs at a time, in a folder with the tiny world's files."""
    folder = tmp_path_factory.mktemp("ablated")
    world = World(folder, cast("Any", None))
    command = [sys.executable, "-m", "clairo.cli", *words(world, "--jobs", 2, "--set", "codes.values=4")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return folder, done


@pytest.fixture
def grid(ablated: tuple[Path, Any], tmp_path: Path, world: World) -> Path:
    """A copy of the grid's folder."""
    shutil.copytree(ablated[0], tmp_path, dirs_exist_ok=True)
    return tmp_path / "grid"


def again(world: World, *more: object) -> Any:
    return world.type(*words(world, "--set", "codes.values=4", *more))


def test_a_cell_that_fails_stops_no_other_and_the_code_says_whose_fault_it_was(
    ablated: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    folder, done = ablated
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "1 of 4 runs failed" in done.stderr
    assert "larger books, seed 0: codes.values = 64 is more than the 24 items" in done.stderr
    assert done.stdout.splitlines()[-1] == str(folder / "grid" / "ablation.html")
    result = json.loads((folder / "grid" / "ablation.json").read_text())
    failed = result["cells"]["larger books"]["runs"][0]
    assert (failed["state"], failed["code"]) == ("failed", 2)
    assert result["cells"]["two views"]["seeds"] == [0, 1]
    assert "more than the 24 items" in (folder / "grid" / "ablation.html").read_text()


def test_what_runs_have_alike_is_made_once(ablated: tuple[Path, Any]) -> None:
    """Each run's log says what it made and what it took; the two seeds have nothing in common."""
    made: Counter[str] = Counter()
    taken: Counter[str] = Counter()
    for log in (ablated[0] / "grid" / "runs").glob("*/*/log.jsonl"):
        for line in log.read_text().splitlines():
            message = json.loads(line).get("message", "")
            stage = message.partition(":")[0]
            made[stage] += ": made in" in message
            taken[stage] += ": taken from" in message
    once = ("reviews", "sequences", "embeddings", "fused", "codes", "vocabulary", "model")
    assert {stage: made[stage] for stage in once} == dict.fromkeys(once, 2)  # once a seed
    # Seed 0 is that of three cells, one of which fails at its codes.
    assert {stage: taken[stage] for stage in once} == {
        stage: 2 if once.index(stage) < once.index("codes") else 1 for stage in once
    }
    assert (made["recommendations"], made["report"]) == (3, 3)
    models = {
        run: (ablated[0] / "grid" / "runs" / run / "model" / "best" / "model.safetensors").stat().st_ino
        for run in RUNS
    }
    assert models["two-views/seed-0"] == models["one-view/seed-0"] != models["two-views/seed-1"]


def test_the_table_is_that_of_the_runs(ablated: tuple[Path, Any]) -> None:
    out = ablated[0] / "grid"
    result = json.loads((out / "ablation.json").read_text())
    reports = {run: json.loads((out / "runs" / run / "report" / "report.json").read_text()) for run in RUNS}
    two = result["cells"]["two views"]["figures"]
    by_seed = [reports[f"two-views/seed-{seed}"] for seed in (0, 1)]
    for condition in ("validation", "test", "masked"):
        for metric in ("recall@5", "recall@10", "ndcg@5", "ndcg@10"):
            values = [report[condition][metric] for report in by_seed]
            figure = two[f"{condition} {metric}"]
            assert figure["mean"] == pytest.approx(sum(values) / 2)
            assert figure["sd"] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
            rival = result["rivals"]["item2item"][f"{condition} {metric}"]["mean"]
            assert rival == pytest.approx(by_seed[0]["baselines"]["item2item"][condition][metric])
    (gap,) = (entry for entry in result["differences"] if entry["first"] == "one view")
    assert gap["seeds"] == [0]
    blended, alone = (reports["one-view/seed-0"][name]["test"]["ndcg@10"] for name in ("blend", "model"))
    assert blended != alone
    found = gap["test"]["metrics"]["ndcg@10"]
    assert found["difference"] == pytest.approx(blended - by_seed[0]["test"]["ndcg@10"])
    assert found["interval"][0] <= found["difference"] <= found["interval"][1]
    assert result["pairs"][0]["second"] == "two views:item2item"
    assert result["pairs"][0]["seeds"] == [0, 1]
    gap = result["pairs"][1]["test"]["metrics"]["ndcg@10"]
    assert gap["difference"] == pytest.approx(blended - alone)
    assert not result["rivals_differ"]
    digests = {run["digest"] for cell in result["cells"].values() for run in cell["runs"]}
    assert len(digests) == 4
    saved = config.load(str(out / "runs" / "one-view" / "seed-0" / "config.toml"))
    assert result["cells"]["one view"]["runs"][0]["digest"] == config_digest(saved)
    long = pl.read_parquet(out / "runs.parquet")
    assert set(long["digest"].to_list()) < digests
    for system, value in (("blend", blended), ("model", alone)):
        picked = long.filter(cell="one view", system=system, condition="test", metric="ndcg@10")
        assert picked["value"].to_list() == [pytest.approx(value)]


def test_the_page_and_its_twin_hold_all_cells_escaped(ablated: tuple[Path, Any]) -> None:
    page = (ablated[0] / "grid" / "ablation.html").read_text()
    assert "Things &lt;alone&gt; | together" in page
    assert "<alone>" not in page
    for section in ("Results", "Differences", "Coverage, collisions, time", "Failed runs", "Cells"):
        assert f">{section}</h2>" in page
    text = (ablated[0] / "grid" / "ablation.md").read_text()
    for table in text.split("\n\n"):
        if table.startswith("| "):
            assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1
    for cell in ("two views (baseline)", "one view", "one view, the model alone", "larger books"):
        assert text.count(f"| {cell} |") >= 1
    assert "3 of 4 runs are finished" in text


def test_a_run_of_a_grid_is_a_run_like_any_other(grid: Path, world: World) -> None:
    run = grid / "runs" / "one-view" / "seed-0"
    assert world.type("status", run).out.count("done") == 9
    assert len(Recommender.load(run).recommend(["I001"], k=3)) == 3
    assert world.type("compare", run, grid / "runs" / "two-views" / "seed-0").code == 0


def test_finished_runs_stand_and_what_failed_is_tried_again(grid: Path, world: World) -> None:
    before = {path: path.stat().st_mtime_ns for path in grid.glob("runs/*/*/*/manifest.json")}
    shutil.rmtree(grid / "runs" / "one-view" / "seed-0" / "recommendations")
    answer = again(world)
    assert answer.code == 2
    assert "2 of 4 runs stand" in answer.err
    assert "larger books, seed 0: failed" in answer.err
    after = {path: path.stat().st_mtime_ns for path in grid.glob("runs/*/*/*/manifest.json")}
    assert after == before  # what was taken is the very file that was deleted
    log = (grid / "runs" / "one-view" / "seed-0" / "log.jsonl").read_text()
    assert "recommendations: taken from what another run made" in log


def test_a_key_that_nobody_knows_ends_it_before_anything_is_made(world: World) -> None:
    command = words(world)
    (world.folder / "grid.toml").write_text(GRID.replace("baseline", "base_line"))
    answer = world.type(*command)
    assert answer.code == 2
    assert "unknown key 'base_line'; did you mean 'baseline'?" in answer.err
    assert not (world.folder / "grid").exists()
    for seeds in ("x", "1,1", "-1", ""):
        assert world.type(*words(world, "--seeds", seeds)).code == 2


def test_a_grid_starts_no_processes_of_a_process_group(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    answer = again(world)
    assert answer.code == 2
    assert "torchrun" in answer.err


def test_grids_are_listed(world: World) -> None:
    assert "modality" in world.type("grids").out.split()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_grid_that_is_stopped_or_killed_leaves_no_process_and_goes_on(
    grid: Path, world: World, how: signal.Signals
) -> None:
    """It is stopped while it trains; a later call takes what its stages made and comes to the same end."""
    shutil.rmtree(grid)
    long = ("--set", "codes.values=4", "--set", "model.patience=100000", "--jobs", 1)
    slow = GRID.replace("model.epochs = 1", "model.epochs = 100000")
    command = words(world, *long)
    (world.folder / "grid.toml").write_text(slow)
    process = subprocess.Popen(
        [sys.executable, "-m", "clairo.cli", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    run = grid / "runs" / "two-views" / "seed-0"
    while process.poll() is None and not (run / ".work" / "model").exists():
        time.sleep(0.05)
    assert not is_free(run / LOCK)
    os.kill(process.pid, how)
    _, said = process.communicate()
    assert process.returncode == (130 if how is signal.SIGINT else -9), said
    if how is signal.SIGINT:
        assert is_free(run / LOCK)  # at once: the job ended first
        assert "the same command goes on" in said
    while not is_free(run / LOCK):  # a killed grid's job ends by itself
        time.sleep(0.05)
    assert (grid / "ablation.html").is_file()
    assert not (run / "model").exists()
    answer = again(world, "--seeds", 0, "--set", "model.patience=100000")
    assert answer.code == 2
    assert "one view, seed 0: done" in answer.err
    log = (run / "log.jsonl").read_text()
    assert "codes: stands" in log
    assert log.count("codes: made in") == 1

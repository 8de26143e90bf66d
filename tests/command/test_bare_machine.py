"""Training and searching with little more than PyTorch installed, from the part of a run that they need."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from clairo import Recommender
from clairo.recommendations.search import Search

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from clairo.recommendations.ensemble import Ranking

SEARCHING = "numpy,torch,transformers,safetensors,-pydantic"
TRAINING = "numpy,torch,transformers,safetensors,accelerate"  # transformers brings typer, and that pydantic
READ_BY_THE_MODEL = ("sequences", "codes", "vocabulary")


@pytest.fixture
def bare(checkout: Path) -> Any:
    """`bare(PACKAGES, *words)`: run Python as if only these packages were installed."""

    def run(packages: str, *words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(checkout / "tests" / "bare.py"), packages, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def part(finished: Path, tmp_path: Path) -> Path:
    """What another machine is given: the configuration, whose raw files it lacks, and what a model reads."""
    folder = tmp_path / "part"
    folder.mkdir()
    config = (finished / "config.toml").read_text("utf-8")
    assert str(finished.parent) in config
    (folder / "config.toml").write_text(config.replace(str(finished.parent), "/nowhere"), "utf-8")
    for stage in READ_BY_THE_MODEL:
        shutil.copytree(finished / stage, folder / stage)
    return folder


def outputs(run: Path, stage: str) -> dict[str, str]:
    """Digests of what the stage made, without the notes that hold times."""
    found: dict[str, str] = json.loads((run / stage / "manifest.json").read_text())["outputs"]
    return {name: value for name, value in found.items() if name not in ("report.json", "history.json")}


def words(run: Path, stage: str) -> list[object]:
    return ["run", run / "config.toml", "--out", run, "--from", stage, "--until", stage]


def test_a_bare_machine_is_bare(bare: Any) -> None:
    hidden = ["polars", "faiss", "sklearn", "PIL", "scipy", "skimage", "tomli_w", "accelerate", "pydantic"]
    text = (
        "import sys, torch, transformers, safetensors\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n        __import__(name)\n"
        "    except ModuleNotFoundError as error:\n        print(error.name)"
    )
    done = bare(SEARCHING, "-c", text, *hidden)
    assert done.stdout.split() == hidden
    assert "No module named 'torch'" in bare("numpy", "-c", "import torch").stderr


def test_a_model_is_trained_from_what_it_reads(bare: Any, part: Path, finished: Path) -> None:
    done = bare(TRAINING, "clairo.cli", "--progress", "plain", *words(part, "model"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(part / "model")
    for stage in READ_BY_THE_MODEL:
        assert f"{stage}: taken as it is" in done.stderr
    assert outputs(part, "model") == outputs(finished, "model")
    manifest = json.loads((part / "model" / "manifest.json").read_text())
    assert manifest["versions"]["polars"] == manifest["versions"]["faiss-cpu"] == "absent"
    assert (
        manifest["fingerprint"]
        == json.loads((finished / "model" / "manifest.json").read_text())["fingerprint"]
    )


def test_items_are_recommended(bare: Any, part: Path, finished: Path) -> None:
    for stage in ("model", "recommendations"):
        shutil.copytree(finished / stage, part / stage)
    here = Recommender.load(finished)
    histories = [here.history(f"U{user:03}")[:4] for user in range(3)]
    text = (
        "import json, sys; from clairo import Recommender; r = Recommender.load(sys.argv[1]); "
        f"print(json.dumps([r.recommend_many({histories!r}, k=5), r.title('I001')]))"
    )
    done = bare(SEARCHING, "-c", text, part)
    assert done.returncode == 0, done.stderr
    found, title = json.loads(done.stdout)
    assert [[tuple(pair) for pair in one] for one in found] == here.recommend_many(histories, k=5)
    assert title is None
    assert here.title("I001")


def test_a_search_is_kept_for_a_machine_that_writes_its_lists(
    bare: Any, part: Path, finished: Path, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(finished / "model", part / "model")
    done = bare(TRAINING, "clairo.cli", "--progress", "plain", *words(part, "recommendations"))
    assert done.returncode == 1
    assert "polars is not installed: the search is made and kept" in done.stderr
    assert "bring the run folder to where it is" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (part / "recommendations").exists()

    def searched(*_: Any) -> list[Ranking]:
        raise AssertionError("this was searched already")

    monkeypatch.setattr(Search, "rank", searched)
    answer = world.type(*words(part, "recommendations"))
    assert answer.code == 0, answer.err
    assert outputs(part, "recommendations") == outputs(finished, "recommendations")


def test_what_is_not_installed_is_named(bare: Any, part: Path) -> None:
    """A configuration that is not the one in the folder has to be written, for which a package is missing."""
    done = bare(TRAINING, "clairo.cli", *words(part, "model"), "--set", "model.epochs=1")
    assert done.returncode == 1
    assert "needs the package tomli_w, which is not installed" in done.stderr
    assert "Traceback" not in done.stderr


def test_stages_that_stand_are_passed_over(bare: Any, finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "copy"
    shutil.copytree(finished, run)
    done = bare(TRAINING, "clairo.cli", "run", run / "config.toml", "--out", run, "--until", "model")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("stands") == 7


def files(run: Path) -> Iterator[Path]:
    return (path for path in run.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("typed", "harm", "told"),
    [
        (["--from", "model"], "codes", "--from model needs codes, which is not in"),
        (["--from", "vocabulary", "--until", "vocabulary"], "codes/codes.npz", "codes.npz was changed"),
        (["--from", "recommendations", "--until", "recommendations"], None, "needs model, which is not in"),
        (["--from", "model", "--until", "codes"], None, "--until codes comes before --from model"),
        (["--from", "training"], None, "--from 'training' is no stage of this run"),
    ],
)
def test_what_is_not_there_is_named(
    world: Any, part: Path, typed: list[str], harm: str | None, told: str
) -> None:
    if harm is not None and (part / harm).is_dir():
        shutil.rmtree(part / harm)
    elif harm is not None:
        (part / harm).write_bytes(b"harm")
    before = {path: path.read_bytes() for path in files(part) if path.name != ".lock"}
    answer = world.type("run", part / "config.toml", "--out", part, *typed)
    assert answer.code == 2
    assert told in answer.err
    assert before == {path: path.read_bytes() for path in files(part) if path.name != ".lock"}

"""Two processes train as one does: the same batches, the same losses, every validation user once."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from clairo.config import ModelConfig
from clairo.model.group import Group
from clairo.model.train import Trainer

Train = Callable[..., dict[str, Any]]
SCRIPT = Path(__file__).with_name("together.py")
# Of 750 examples batches of 107 leave one, of which the second process has nothing; 41 users are odd too.
EXACT = {"dropout": 0.0, "batch_size": 107, "validation_users": 41, "epochs": 2}
JOBS: dict[str, dict[str, Any]] = {
    "trie": EXACT,
    "vocabulary": {**EXACT, "softmax": "vocabulary", "label_smoothing": 0.1},
    "parts": {**EXACT, "accumulate": 3},
    "gone on": EXACT,
    "dropout": {"epochs": 1},
    "dropout again": {"epochs": 1},
}


def launch(script: list[str], **environment: str) -> "subprocess.CompletedProcess[str]":
    """Start two processes on this machine as `torchrun` does."""
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(
        [sys.executable, "-m", *launcher, *script],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        check=False,
        text=True,
        timeout=200,
    )


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def together(
    tmp_path_factory: pytest.TempPathFactory, world: Path, config: ModelConfig, train: Train
) -> Path:
    """A folder with what two processes made of each of `JOBS`, "gone on" from where one process stopped."""
    root = tmp_path_factory.mktemp("together")
    jobs = []
    for name, changes in JOBS.items():
        (root / name).mkdir()
        jobs.append((str(root / name), config.model_copy(update=changes).model_dump(mode="json")))
    with pytest.MonkeyPatch.context() as patch:
        _stop_at(patch, step=11)
        with pytest.raises(KeyboardInterrupt):
            train(root / "gone on", checkpoint_minutes=1e-9, **EXACT)
    (root / "jobs.json").write_text(json.dumps(jobs))
    done = launch([str(SCRIPT), str(world), str(root / "jobs.json")])
    assert done.returncode == 0, done.stderr
    return root


def _stop_at(patch: pytest.MonkeyPatch, step: int) -> None:
    take = Trainer._step

    def stop(self: Trainer, batch: Any) -> None:
        if self.progress.step == step:
            raise KeyboardInterrupt
        take(self, batch)

    patch.setattr(Trainer, "_step", stop)


def history(out: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((out / "history.json").read_text())
    return entries


@pytest.mark.parametrize("name", ["trie", "vocabulary", "parts", "gone on"])
def test_two_processes_end_where_one_does(tmp_path: Path, together: Path, train: Train, name: str) -> None:
    train(tmp_path, **{**JOBS[name], "accumulate": 1})
    weights, others = (load_file(out / "best" / "model.safetensors") for out in (tmp_path, together / name))
    assert weights.keys() == others.keys()
    for key, value in weights.items():
        np.testing.assert_allclose(others[key], value, atol=2e-4, err_msg=key)
    one, two = history(tmp_path), history(together / name)
    assert len(one) == len(two) == 2
    for entry, other in zip(one, two, strict=True):
        assert entry["steps"] == other["steps"] == 8
        assert other["loss"] == pytest.approx(entry["loss"], rel=1e-4)
        assert other["ndcg@10"] == pytest.approx(entry["ndcg@10"], abs=0.03)  # a tie may fall otherwise
        # Recall is a whole number of the 41 users, each of whom is looked at once.
        assert other["recall@10"] * 41 == pytest.approx(round(other["recall@10"] * 41))
    rows = {"parts": [18, 18], "gone on": [107, 54]}.get(name, [54, 54])
    assert [entry["rows"] for entry in two] == rows


def test_only_the_main_process_writes(
    together: Path, artefact: list[str], left_in: Callable[[Path], list[str]]
) -> None:
    assert left_in(together / "trie") == artefact


def test_if_one_process_dies_the_other_ends_too(tmp_path: Path, world: Path, config: ModelConfig) -> None:
    (tmp_path / "jobs.json").write_text(json.dumps([(str(tmp_path), config.model_dump(mode="json"))]))
    done = launch([str(SCRIPT), str(world), str(tmp_path / "jobs.json"), "--die=1"])
    assert done.returncode != 0
    assert "exitcode  : -9" in done.stderr
    assert not (tmp_path / "model.json").exists()


def test_with_dropout_it_repeats_itself(together: Path) -> None:
    first, again = (together / name / "best" / "model.safetensors" for name in ("dropout", "dropout again"))
    assert first.read_bytes() == again.read_bytes()


def test_a_group_of_one_talks_to_nobody() -> None:
    alone = Group()
    assert alone.is_main
    assert list(range(5))[alone.share] == [0, 1, 2, 3, 4]
    assert alone.gather([3, 1]) == [3, 1]
    assert alone.of_main(0.1) == 0.1
    assert (alone.any(True), alone.any(False)) == (True, False)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_shares_of_a_group_make_the_whole(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    whole = list(range(5))
    groups = [Group(rank, count) for rank in range(count)]
    shares = [whole[group.share] for group in groups]
    monkeypatch.setattr(
        "clairo.model.group.distributed.all_gather_object",
        lambda into, _: into.__setitem__(slice(None), shares),
    )
    assert all(group.gather(share) == whole for group, share in zip(groups, shares, strict=True))

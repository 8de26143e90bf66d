"""The whole stage on a planted corpus: it learns, repeats itself bitwise, and goes on where it was killed."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from clairo import ClairoError, InputError
from clairo.artifacts import Codes, Sequences
from clairo.config import ModelConfig
from clairo.model import make, saved
from clairo.model.loss import TrieLoss
from clairo.model.train import Trainer, make_accelerator
from clairo.model.validate import Validation
from clairo.tokens import Reading
from clairo.vocabulary import Vocabulary

Train = Callable[..., dict[str, Any]]
FORWARD = TrieLoss.forward
EACH_STEP = 1e-9  # minutes between checkpoints


def history(out: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((out / "history.json").read_text())
    return entries


def measured(out: Path) -> list[dict[str, Any]]:
    """The history without what the clock says."""
    return [{key: value for key, value in entry.items() if "second" not in key} for entry in history(out)]


def assert_same(one: Path, other: Path) -> None:
    weights, others = (load_file(out / "best" / "model.safetensors") for out in (one, other))
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert measured(one) == measured(other)
    assert (one / "model.json").read_text() == (other / "model.json").read_text()


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, train: Train) -> Path:
    out = tmp_path_factory.mktemp("model")
    train(out)
    return out


def test_what_it_leaves(
    uninterrupted: Path, train: Train, artefact: list[str], left_in: Callable[[Path], list[str]]
) -> None:
    assert left_in(uninterrupted) == artefact
    network, meta = saved.load(uninterrupted, "cpu")
    assert (meta.examples, meta.epochs, meta.max_history, meta.vocabulary_size) == (750, 3, 20, 90)
    assert meta.categories == ["text 1", "text 2", "disambiguation"]
    assert meta.parameters == sum(p.numel() for p in network.parameters())
    entries = history(uninterrupted)
    assert [entry["epoch"] for entry in entries] == [1, 2, 3]
    assert all(entry["steps"] == 3 and entry["steps_per_second"] > 0 for entry in entries)
    assert meta.validation == {key: entries[meta.best_epoch - 1][key] for key in ("recall@10", "ndcg@10")}
    summary = train(uninterrupted)  # done already: nothing is trained again
    assert summary["validation ndcg@10"] == meta.validation["ndcg@10"]
    assert history(uninterrupted) == entries


def test_it_learns_the_rule(tmp_path: Path, train: Train) -> None:
    """Chance is a recall@10 of 1 in 6 and an NDCG@10 below 0.08."""
    summary = train(tmp_path, epochs=20, batch_size=64, validation_users=150)
    entries = history(tmp_path)
    assert entries[-1]["loss"] < 0.5 * entries[0]["loss"]
    assert summary["validation recall@10"] > 0.6
    assert summary["validation ndcg@10"] > 0.35
    assert summary["steps_per_second"] > 0


def test_it_learns_the_rule_from_whole_actions(tmp_path: Path, train: Train) -> None:
    summary = train(tmp_path, reads="actions", epochs=20, batch_size=64, validation_users=150)
    assert summary["validation recall@10"] > 0.6
    assert summary["validation ndcg@10"] > 0.35
    assert saved.load_meta(tmp_path).reading == Reading(whole=True)


def test_the_best_weights_are_those_that_validation_saw(
    uninterrupted: Path, sequences: Sequences, vocabulary: Vocabulary, features: NDArray[np.uint32]
) -> None:
    network, meta = saved.load(uninterrupted, "cpu")
    validate = Validation(sequences, vocabulary, features, users=40, beams=10, max_history=20, seed=0)
    assert validate(network) == meta.validation


def test_two_runs_are_bitwise_equal_and_another_seed_is_not(
    tmp_path: Path, train: Train, uninterrupted: Path
) -> None:
    torch.manual_seed(99)  # a generator in another state makes no difference, and is left as it was
    before = torch.get_rng_state()
    train(tmp_path / "same")
    assert torch.equal(torch.get_rng_state(), before)
    assert_same(tmp_path / "same", uninterrupted)
    train(tmp_path / "other", seed=1)
    assert measured(tmp_path / "other") != measured(uninterrupted)


KILLED = """
import os, signal, sys
from pathlib import Path
import clairo.model.checkpoint as checkpoint
from clairo.config import ModelConfig
from clairo.model import make

calls, to_disk = 0, checkpoint._to_disk

def killed(path):
    global calls
    calls += 1
    if calls == 12:  # half way through the sixth checkpoint, inside the second epoch
        os.kill(os.getpid(), signal.SIGKILL)
    to_disk(path)

checkpoint._to_disk = killed
world, out, config = Path(sys.argv[1]), Path(sys.argv[2]), ModelConfig.model_validate_json(sys.argv[3])
folders = {stage: world / stage for stage in ("vocabulary", "codes", "sequences")}
make(config, **folders, out=out, seed=0)
"""


def test_killed_in_the_middle_it_ends_bitwise_as_if_it_had_not_been(
    tmp_path: Path, train: Train, world: Path, config: ModelConfig, uninterrupted: Path
) -> None:
    config = config.model_copy(update={"checkpoint_minutes": EACH_STEP})
    script = [sys.executable, "-c", KILLED, str(world), str(tmp_path), config.model_dump_json()]
    done = subprocess.run(script, capture_output=True, check=False, timeout=300)
    assert done.returncode == -9, done.stderr.decode()
    assert not (tmp_path / "model.json").exists()
    state = json.loads(next((tmp_path / "last").glob("0*/state.json")).read_text())["progress"]
    assert (state["epoch"], state["batch"], state["step"]) == (1, 1, 4)
    assert (tmp_path / "last" / "partial").exists()
    train(tmp_path)
    assert_same(tmp_path, uninterrupted)


@pytest.mark.parametrize("step", [2, 5, 8])
def test_stopped_by_ctrl_c_it_goes_on(
    tmp_path: Path, train: Train, uninterrupted: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    take = Trainer._step

    def interrupted(self: Trainer, batch: Any) -> None:
        if self.progress.step == step:
            raise KeyboardInterrupt
        take(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, checkpoint_minutes=EACH_STEP)
    state = json.loads(next((tmp_path / "last").glob("0*/state.json")).read_text())["progress"]
    assert state["step"] == step
    train(tmp_path)
    assert_same(tmp_path, uninterrupted)


def test_stopped_after_the_last_epoch_it_only_writes_the_result(
    tmp_path: Path, train: Train, uninterrupted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(saved, "save", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path)
    monkeypatch.setattr(Trainer, "_step", _interrupt)
    train(tmp_path)
    assert_same(tmp_path, uninterrupted)


def scripted(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
    """Let evaluations find these values of NDCG@10."""
    left = iter(values)
    monkeypatch.setattr(Validation, "__call__", lambda *_: {"recall@10": 0.0, "ndcg@10": next(left)})


def test_it_stops_when_validation_no_longer_rises(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [0.1, 0.3, 0.2, 0.3, 0.1, 0.5])
    summary = train(tmp_path, epochs=6, patience=3)
    assert (summary["epochs"], summary["best_epoch"], summary["validation ndcg@10"]) == (5, 2, 0.3)


def test_it_evaluates_every_so_often_and_after_the_last_epoch(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted(monkeypatch, [0.1, 0.2, 0.3])
    summary = train(tmp_path, epochs=5, evaluate_every=2)
    assert [entry["epoch"] for entry in history(tmp_path) if "ndcg@10" in entry] == [2, 4, 5]
    assert summary["best_epoch"] == 5


def test_time_runs_out_inside_an_epoch(tmp_path: Path, train: Train) -> None:
    summary = train(tmp_path, max_minutes=1e-9)
    assert [(entry["epoch"], entry["steps"]) for entry in history(tmp_path)] == [(1, 1)]
    assert summary["best_epoch"] == 1
    saved.load(tmp_path, "cpu")


def test_time_of_earlier_attempts_counts(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("clairo.model.train.time.monotonic", lambda: 60.0 * next(clock))
    with monkeypatch.context() as patch:
        patch.setattr(Validation, "__call__", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, checkpoint_minutes=EACH_STEP, max_minutes=9.0)
    state = json.loads(next((tmp_path / "last").glob("0*/state.json")).read_text())["progress"]
    assert state["seconds"] > 120
    left = 9 - state["seconds"] / 60
    train(tmp_path, max_minutes=9.0)
    steps = sum(entry["steps"] for entry in history(tmp_path)) - state["step"]
    assert 0 < steps <= left


def _interrupt(*args: object) -> None:
    raise KeyboardInterrupt


def test_a_loss_that_is_no_number_says_what_to_change(tmp_path: Path, train: Train) -> None:
    with pytest.raises(ClairoError, match="no longer a number") as caught:
        train(tmp_path, learning_rate=1e30, epochs=20)
    assert caught.value.exit_code == 1
    assert "model.learning_rate (now 1e+30)" in str(caught.value.hint)


def test_too_little_memory_says_what_to_change(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_for(monkeypatch, 100)
    with pytest.raises(ClairoError, match="cpu device ran out of memory for a training step") as caught:
        train(tmp_path)
    assert str(caught.value.hint).startswith("model.batch_size = 64 fits (tried)")
    assert 'model.accumulate = "auto"' in str(caught.value.hint)
    room_for(monkeypatch, 0)
    with pytest.raises(ClairoError, match="ran out of memory") as caught:
        train(tmp_path)
    assert str(caught.value.hint).startswith("not even one example fits")


def test_when_asked_it_takes_batches_in_parts_that_fit(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And goes on with them after an interruption, to the same end."""
    exact = {"dropout": 0.0, "epochs": 2}
    train(tmp_path / "whole", **exact)
    room_for(monkeypatch, 100)
    train(tmp_path / "parts", accumulate="auto", **exact)
    whole, parts = history(tmp_path / "whole"), history(tmp_path / "parts")
    assert [entry["rows"] for entry in whole + parts] == [256, 256, 64, 64]
    for entry, other in zip(whole, parts, strict=True):
        assert other["loss"] == pytest.approx(entry["loss"], rel=1e-4)
    with monkeypatch.context() as patch:
        patch.setattr(Validation, "__call__", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "again", checkpoint_minutes=EACH_STEP, accumulate="auto", **exact)
    tried = room_for(monkeypatch, 100)
    train(tmp_path / "again", accumulate="auto", **exact)
    assert max(tried) == 64
    assert_same(tmp_path / "again", tmp_path / "parts")


@pytest.mark.parametrize(
    ("place", "message", "hint"),
    [
        ("clairo.model.validate.Validation.__call__", "the validation search", "model.validation_beams"),
        ("torch.optim.AdamW.step", "the optimizer", "model.d_model"),
    ],
)
def test_too_little_memory_elsewhere_says_what_to_change(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch, place: str, message: str, hint: str
) -> None:
    monkeypatch.setattr(place, _out_of_memory)
    with pytest.raises(ClairoError, match=f"ran out of memory for {message}") as caught:
        train(tmp_path)
    assert hint in str(caught.value.hint)


def _out_of_memory(*args: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.00 GiB")


def room_for(monkeypatch: pytest.MonkeyPatch, rows: int) -> list[int]:
    """Let more rows than these run out of memory; the list takes the numbers of rows that are tried."""
    tried: list[int] = []

    def forward(self: TrieLoss, states: Tensor, weights: Tensor, labels: Tensor) -> Tensor:
        tried.append(len(labels))
        if len(labels) > rows:
            _out_of_memory()
        return FORWARD(self, states, weights, labels)

    monkeypatch.setattr(TrieLoss, "forward", forward)
    return tried


def test_other_faults_stay_what_they_are(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("a fault of the code")

    monkeypatch.setattr(Trainer, "_step", fail)
    with pytest.raises(RuntimeError, match="a fault of the code"):
        train(tmp_path)


def test_half_precision_on_a_cpu_is_refused() -> None:
    with pytest.raises(InputError, match=r"model\.precision = 'fp16'"):
        make_accelerator("cpu", "fp16")


def test_mixed_precision_trains(tmp_path: Path, train: Train, uninterrupted: Path) -> None:
    train(tmp_path, precision="bf16")
    mixed, exact = ([entry["loss"] for entry in history(out)] for out in (tmp_path, uninterrupted))
    assert mixed != exact
    np.testing.assert_allclose(mixed, exact, rtol=0.05)


def test_settings_that_changed_between_attempts_are_named(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Validation, "__call__", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, checkpoint_minutes=EACH_STEP)
    with pytest.raises(InputError, match="of another training: dropout changed"):
        train(tmp_path, dropout=0.2)


def _make(world: Path, out: Path, config: ModelConfig, **stages: Path) -> None:
    folders = {stage: world / stage for stage in ("vocabulary", "codes", "sequences")}
    make(config, **{**folders, **stages}, out=out, seed=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"validation": -1}, "no users to validate on"),
        ({"train_end": 1}, "nothing to train on"),
    ],
)
def test_nothing_to_do_is_refused(
    tmp_path: Path,
    world: Path,
    config: ModelConfig,
    sequences: Sequences,
    changes: dict[str, int],
    message: str,
) -> None:
    arrays = {name: np.full(sequences.n_users, value) for name, value in changes.items()}
    Sequences(**{**vars(sequences), **arrays}).save(tmp_path)
    with pytest.raises(InputError, match=message):
        _make(world, tmp_path, config, sequences=tmp_path)


def test_stages_of_different_runs_are_refused(
    tmp_path: Path, world: Path, config: ModelConfig, features: NDArray[np.uint32]
) -> None:
    ids = np.array([f"thing {i}" for i in range(60)])
    Codes(ids, features, ["a", "b", "c"], [8, 8, 1]).save(tmp_path)
    with pytest.raises(InputError, match="codes are of 60 items"):
        _make(world, tmp_path, config, codes=tmp_path)
    codes = Codes.load(world / "codes")
    Codes(codes.ids, features[:, :2], ["a", "b"], [8, 8]).save(tmp_path)
    with pytest.raises(InputError, match="vocabulary has 3 categories, the codes have 2"):
        _make(world, tmp_path, config, codes=tmp_path)

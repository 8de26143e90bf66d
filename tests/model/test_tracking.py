"""What a training logs with a tracker of accelerate, and that it changes nothing else."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from accelerate import tracking as trackers

from clairo import InputError
from clairo.model.tracking import check
from clairo.model.validate import Validation

if TYPE_CHECKING:
    from collections.abc import Callable

    Train = Callable[..., dict[str, Any]]


class Lines(trackers.GeneralTracker):  # type: ignore[misc]
    """Writes a line of JSON for each call into `lines.jsonl` of the folder for logs."""

    name = "lines"
    requires_logging_directory = True

    def __init__(self, _: str, logging_dir: str) -> None:
        super().__init__()
        self._folder = logging_dir

    def start(self) -> None:
        self._file = Path(self._folder) / "lines.jsonl"
        self._file.parent.mkdir(exist_ok=True)

    @property
    def tracker(self) -> str:
        return str(self._file)

    def _write(self, **entry: Any) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self._write(settings=values)

    def log(self, values: dict[str, float], step: int | None, **_: Any) -> None:
        self._write(step=step, **values)

    def finish(self) -> None:
        self._write(end=True)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(trackers.LOGGER_TYPE_TO_CLASS, "lines", Lines)
    return "lines"


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "lines.jsonl").read_text("utf-8").splitlines()]


def weights(out: Path) -> bytes:
    return (out / "best" / "model.safetensors").read_bytes()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_it_logs_steps_and_evaluations_and_changes_no_weight(
    tmp_path: Path, train: Train, lines: str
) -> None:
    train(tmp_path / "out", tracker=lines)
    first, *rest, last = entries(tmp_path / "logs")
    assert first["settings"]["d_model"] == 32
    assert first["settings"]["seed"] == 0
    assert last == {"end": True}
    steps = [entry for entry in rest if "train/loss" in entry]
    evaluations = [entry for entry in rest if "validation/ndcg@10" in entry]
    assert [entry["step"] for entry in steps] == [entry["step"] for entry in evaluations] == [3, 6, 9]
    history = json.loads((tmp_path / "out" / "history.json").read_text())
    for entry, logged, found in zip(history, steps, evaluations, strict=True):
        assert logged["train/loss"] == pytest.approx(entry["loss"])
        assert logged["train/gradient_norm"] > 0
        assert logged["train/steps_per_second"] > 0
        assert found["validation/ndcg@10"] == entry["ndcg@10"]
        assert found["validation/recall@10"] == entry["recall@10"]
    rates = [entry["train/learning_rate"] for entry in steps]
    assert rates[0] > rates[1] > rates[2] > 0
    train(tmp_path / "without")
    assert weights(tmp_path / "out") == weights(tmp_path / "without")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "best",
        "history.json",
        "model.json",
        "options.json",
    ]


def test_a_training_that_goes_on_goes_on_in_the_log(
    tmp_path: Path, train: Train, lines: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even one that began without a log."""
    with monkeypatch.context() as patch:
        patch.setattr(Validation, "__call__", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "out", checkpoint_minutes=1e-9, tracker=lines)
    before = entries(tmp_path / "logs")
    assert [entry["step"] for entry in before if "step" in entry] == [1, 2, 3]
    assert before[-1] == {"end": True}
    train(tmp_path / "out", tracker=lines)
    after = entries(tmp_path / "logs")[len(before) :]
    assert [entry["step"] for entry in after if "train/loss" in entry] == [6, 9]
    assert [entry["step"] for entry in after if "validation/ndcg@10" in entry] == [3, 6, 9]


def test_an_unknown_tracker_is_refused_before_anything_is_done(tmp_path: Path, train: Train) -> None:
    with pytest.raises(InputError, match=r"model\.tracker = 'tensorbord' is no tracker") as caught:
        train(tmp_path / "out", tracker="tensorbord")
    assert "none, " in str(caught.value.hint)
    assert "tensorboard" in str(caught.value.hint)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clairo.model.tracking.get_available_trackers", list)
    with pytest.raises(InputError, match="its package is not installed") as caught:
        check("wandb")
    assert caught.value.hint == "pip install wandb"
    check("none")


def test_tensorboard(tmp_path: Path, train: Train) -> None:
    if not any(importlib.util.find_spec(name) for name in ("tensorboard", "tensorboardX")):
        pytest.skip("neither tensorboard nor tensorboardX is installed")
    train(tmp_path / "out", tracker="tensorboard", epochs=1)
    files = [path for path in (tmp_path / "logs").rglob("events.out.tfevents.*") if path.stat().st_size]
    assert files
    content = b"".join(path.read_bytes() for path in files)
    # Of ndcg@10 one writer keeps the @, the other does not.
    for name in (b"train/loss", b"train/learning_rate", b"validation/ndcg"):
        assert name in content

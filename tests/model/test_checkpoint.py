"""Checkpoints: what is saved comes back, and a good one always lies there."""

from pathlib import Path

import pytest
import torch

from clairo import InputError
from clairo.model.checkpoint import Checkpoints, Progress

SETTINGS = {"seed": 0, "d_model": 8}


def tensors(value: float) -> dict[str, torch.Tensor]:
    return {"weights/a": torch.full((2, 3), value), "moments/a/step": torch.tensor(value)}


def numbers(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_the_newest_comes_back_and_only_it_is_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "last", SETTINGS)
    assert checkpoints.load() is None
    for step in (3, 9):
        checkpoints.save(Progress(epoch=1, step=step, history=[{"loss": 0.1}]), tensors(step))
    assert numbers(tmp_path / "last") == ["00000002"]
    found = Checkpoints(tmp_path / "last", SETTINGS).load()
    assert found is not None
    assert found[0] == Progress(epoch=1, step=9, history=[{"loss": 0.1}])
    assert found[1].keys() == tensors(9).keys()
    assert all(torch.equal(found[1][name], value) for name, value in tensors(9).items())


@pytest.mark.parametrize("where", ["save_file", "_to_disk"])
def test_a_save_that_breaks_off_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def fail(*args: object) -> None:
        raise OSError("no space left on device")

    checkpoints = Checkpoints(tmp_path / "last", SETTINGS)
    checkpoints.save(Progress(step=1), tensors(1))
    with monkeypatch.context() as patch:
        patch.setattr(f"clairo.model.checkpoint.{where}", fail)
        with pytest.raises(OSError, match="no space"):
            checkpoints.save(Progress(step=2), tensors(2))
    found = checkpoints.load()
    assert found is not None
    assert found[0].step == 1
    checkpoints.save(Progress(step=3), tensors(3))
    assert numbers(tmp_path / "last") == ["00000002"]


def test_if_both_lie_there_the_newer_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was killed between the rename and the removal of the older one."""
    checkpoints = Checkpoints(tmp_path / "last", SETTINGS)
    checkpoints.save(Progress(step=1), tensors(1))
    with monkeypatch.context() as patch:
        patch.setattr("clairo.model.checkpoint.shutil.rmtree", lambda *_, **__: None)
        checkpoints.save(Progress(step=2), tensors(2))
    assert numbers(tmp_path / "last") == ["00000001", "00000002"]
    found = checkpoints.load()
    assert found is not None
    assert found[0].step == 2


def test_another_training_is_refused(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "last", SETTINGS).save(Progress(), tensors(0))
    with pytest.raises(InputError, match=r"of another training: d_model changed") as caught:
        Checkpoints(tmp_path / "last", {**SETTINGS, "d_model": 9}).load()
    assert "delete" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff broken"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, name: str, content: bytes | None) -> None:
    Checkpoints(tmp_path / "last", SETTINGS).save(Progress(), tensors(0))
    file = tmp_path / "last" / "00000001" / name
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(InputError, match="00000001 is damaged"):
        Checkpoints(tmp_path / "last", SETTINGS).load()


def test_clear_removes_everything(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "last", SETTINGS)
    checkpoints.save(Progress(), tensors(0))
    checkpoints.clear()
    assert not (tmp_path / "last").exists()
    checkpoints.clear()

"""Checkpoints: tensors in safetensors, the rest in JSON, and never fewer than one good one on disk."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from clairo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_TENSORS, _STATE = "tensors.safetensors", "state.json"


@dataclass
class Progress:
    """How far a training is: with the tensors, all that it needs to go on.

    Batches, permutations and dropout derive from the seed and from the numbers here, so no state of a random
    generator is kept.

    Attributes:
        epoch: epochs that are over.
        batch: batches of the epoch under way that are done.
        step: optimizer steps in all.
        loss: sum of the losses of those batches.
        training_seconds: spent on those batches.
        seconds: spent in all, evaluations and earlier attempts included.
        waited: evaluations since the best one.
        best_epoch: the epoch after which validation was best, counted from 1; 0 before any evaluation.
        best: its metrics.
        history: one entry an epoch, as `history.json` holds them.
        rows: most examples that a process took at once (see `Gradients`).
        scaler: state of the loss scaling that half precision needs.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss: float = 0.0
    training_seconds: float = 0.0
    seconds: float = 0.0
    waited: int = 0
    best_epoch: int = 0
    best: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    rows: int = 0
    scaler: dict[str, float] = field(default_factory=dict)


class Checkpoints:
    """A folder of numbered checkpoints, of which the newest counts and only it is kept.

    last/
        00000007/
            tensors.safetensors     weights/..., best/... (if any), moments/<parameter>/<name>
            state.json              settings, and the fields of `Progress`

    A checkpoint is written beside the others under a name that does not count, then renamed; only then do
    the older ones go. `settings` is what must not change between attempts.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self._folder, self._settings = folder, settings

    def save(self, progress: Progress, tensors: dict[str, Tensor]) -> None:
        """Write a checkpoint, then remove those before it."""
        older = self._numbered()
        partial = self._folder / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        save_file(tensors, partial / _TENSORS)
        state = {"settings": self._settings, "progress": asdict(progress)}
        (partial / _STATE).write_text(json.dumps(state), "utf-8")
        for name in (_TENSORS, _STATE):
            _to_disk(partial / name)
        number = int(older[-1].name) + 1 if older else 1
        partial.rename(self._folder / f"{number:08d}")
        for folder in older:
            shutil.rmtree(folder)

    def load(self) -> tuple[Progress, dict[str, Tensor]] | None:
        """The newest checkpoint, or None.

        Raises:
            InputError: it is damaged, or of another training.
        """
        found = self._numbered()
        if not found:
            return None
        hint = f"delete {self._folder} to train from the start"
        try:
            tensors = load_file(found[-1] / _TENSORS)
            state = json.loads((found[-1] / _STATE).read_text("utf-8"))
            progress, settings = Progress(**state["progress"]), state["settings"]
        except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"the checkpoint {found[-1]} is damaged: {error}", hint=hint) from None
        changed = [key for key in self._settings if settings.get(key) != self._settings[key]]
        if changed:
            raise InputError(
                f"the checkpoint {found[-1]} is of another training: {', '.join(changed)} changed", hint=hint
            )
        return progress, tensors

    def clear(self) -> None:
        """Remove all checkpoints."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _numbered(self) -> list[Path]:
        """Whole checkpoints, the newest last."""
        folders = self._folder.iterdir() if self._folder.is_dir() else ()
        return sorted(folder for folder in folders if folder.name.isdecimal())


def _to_disk(path: Path) -> None:
    """Have the system write the file out, so that a rename after it never names an empty file."""
    with path.open("rb") as file:
        os.fsync(file.fileno())

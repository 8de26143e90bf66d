"""Folders of the stages above, as small as a test needs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clairo.artifacts import Embedding, Sequences, store

WriteFolders = Callable[..., tuple[Path, Path]]


@pytest.fixture
def write_folders(tmp_path: Path) -> WriteFolders:
    """A writer of the fused and the sequences' folders.

    One user bought the `training` items (all, if left out), and the first item twice later.
    """

    def write(
        items: Sequence[str] | NDArray[np.str_],
        groups: dict[str, NDArray[np.float32]] | None = None,
        present: dict[str, NDArray[np.bool_]] | None = None,
        training: Sequence[int] | None = None,
    ) -> tuple[Path, Path]:
        fused, sequences = tmp_path / "fused", tmp_path / "sequences"
        fused.mkdir(exist_ok=True)
        sequences.mkdir(exist_ok=True)
        ids = np.array(items)
        _bought(ids, range(len(ids)) if training is None else training).save(sequences)
        for name, vectors in (groups or {}).items():
            mask = (present or {}).get(name, np.ones(len(ids), dtype=np.bool_))
            kept = np.where(mask[:, None], vectors, np.float32(0))
            Embedding(ids[::-1], kept[::-1], mask[::-1]).save(fused / f"{name}.npz")
        store.write_json(fused / "report.json", {"order": list(groups or {})})
        return fused, sequences

    return write


def _bought(items: NDArray[np.str_], training: Sequence[int]) -> Sequences:
    n = len(training)
    rest: dict[str, Any] = {"ties": np.array([False]), "max_history": 50, "times": np.full(n + 2, -1)}
    return Sequences(
        items=items,
        users=np.array(["u"]),
        offsets=np.array([0, n + 2]),
        events=np.array([*training, 0, 0], dtype=np.uint32),
        train_end=np.array([n]),
        validation=np.array([n]),
        test=np.array([n + 1]),
        **rest,
    )

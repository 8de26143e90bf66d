"""Folders of the stages above, as small as a test needs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clairo.artifacts import Embedding, Sequences, store

Folders = tuple[Path, Path]
WriteFolders = Callable[..., Folders]


@pytest.fixture
def write_folders(tmp_path: Path) -> WriteFolders:
    """A writer of the embeddings' and sequences' folders.

    Items are `item 0`, ...; one user bought the `training` items, and the first item twice later. Vectors of
    items that are not `present` are zeros. Rows of the embeddings lie in another order than the items. Text
    and image have an encoder unless they are `without`.
    """

    def write(
        n_items: int,
        training: Sequence[int],
        vectors: dict[str, NDArray[np.float32]],
        present: dict[str, NDArray[np.bool_]] | None = None,
        *,
        name: str = "",
        order: int = 0,
        without: Sequence[str] = (),
    ) -> Folders:
        embeddings, sequences = (tmp_path / f"{stage}{name}" for stage in ("embeddings", "sequences"))
        embeddings.mkdir()
        sequences.mkdir()
        items = np.array([f"item {row}" for row in range(n_items)])
        _bought(items, training).save(sequences)
        rows = np.random.default_rng(order).permutation(n_items)
        for modality, array in vectors.items():
            mask = (present or {}).get(modality, np.ones(n_items, dtype=np.bool_))
            kept = np.where(mask[:, None], array, np.float32(0))
            Embedding(items[rows], kept[rows], mask[rows]).save(embeddings / f"{modality}.npz")
        names = {"text", "image", *vectors}
        encoders = {modality: "none" if modality in without else "file" for modality in names}
        report = {modality: {"encoder": encoder} for modality, encoder in encoders.items()}
        store.write_json(embeddings / "report.json", report)
        return embeddings, sequences

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

"""Whether merges reach across actions, or stay inside of each.

Inside alone is what merging makes of a corpus whose actions are histories of their own: no two of them are
neighbours then. So the core needs no second way of counting, and histories are encoded in the same manner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clairo.artifacts import store

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

FILE = "scope.json"


def alone(events: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Offsets (n_events + 1,) that make every event a history of its own."""
    return np.arange(len(events) + 1, dtype=np.int64)


def save(folder: Path, *, across: bool) -> None:
    """Note beside a vocabulary that its merges stay inside actions; that they do not goes without saying."""
    (folder / FILE).unlink(missing_ok=True)
    if not across:
        store.write_json(folder / FILE, {"across": False})


def across(folder: Path) -> bool:
    """Whether merges of the vocabulary in `folder` reach across actions.

    Raises:
        InputError: the note is damaged.
    """
    path = folder / FILE
    return not path.is_file() or store.read_json(path) != {"across": False}

"""Encoding in pieces that outlive an interruption."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clairo import log
from clairo.artifacts import Embedding
from clairo.errors import ClairoError, InputError

Rows = NDArray[np.int64]
Encode = Callable[[Rows, log.Step], tuple[NDArray[np.float32], NDArray[np.bool_]]]


def encode(
    name: str, ids: NDArray[np.str_], rows: Rows, encode_rows: Encode, *, size: int, folder: Path
) -> Embedding:
    """Vectors of the items at `rows`, at least one; all other items are absent.

    Every `size` items make a shard, a file of `folder` that names its items: a shard that lies there
    already, and is of these very items, is not encoded again.

    Args:
        name: what the progress is called.
        ids: (n,) original item ids of the catalogue.
        rows: which of them can be encoded.
        encode_rows: from rows, vectors (len(rows), width) and whether each could be made; the width is free
            where none could.
        size: items a shard.
        folder: where shards lie; made if it is missing.

    Raises:
        ClairoError: the encoder made a vector that is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with log.step(name, total=len(rows)) as step:
        shards = list(_shards(ids, rows, encode_rows, size, folder, step))
    made = [shard for shard in shards if shard.present.any()]  # others do not know their width
    present = np.zeros(len(ids), dtype=np.bool_)
    present[rows] = np.concatenate([shard.present for shard in shards])
    vectors = np.zeros((len(ids), made[0].width if made else 0), dtype=np.float32)
    if made:
        vectors[present] = np.concatenate([shard.vectors[shard.present] for shard in made])
    return Embedding(ids, vectors, present)


def _shards(
    ids: NDArray[np.str_], rows: Rows, encode_rows: Encode, size: int, folder: Path, step: log.Step
) -> Iterator[Embedding]:
    for number, start in enumerate(range(0, len(rows), size)):
        part = rows[start : start + size]
        path = folder / f"{number:05d}.npz"
        shard = _found(path, ids[part])
        if shard is None:
            vectors, present = encode_rows(part, step)
            shard = _checked(Embedding(ids[part], vectors, present))
            shard.save(path)
        else:
            step.advance(len(part))
        yield shard


def _found(path: Path, ids: NDArray[np.str_]) -> Embedding | None:
    if not path.is_file():
        return None
    try:
        shard = Embedding.load(path)
    except InputError:
        return None
    return shard if np.array_equal(shard.ids, ids) else None


def _checked(shard: Embedding) -> Embedding:
    bad = np.flatnonzero(~np.isfinite(shard.vectors).all(axis=1))
    if len(bad):
        raise ClairoError(f"the encoder gave item {str(shard.ids[bad[0]])!r} a vector that is not finite")
    return shard

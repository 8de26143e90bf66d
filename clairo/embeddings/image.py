"""Vectors of pictures, in shards."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from clairo import log
from clairo.embeddings import pictures, shards

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from PIL import Image

    from clairo.artifacts import Embedding
    from clairo.embeddings.notes import Notes

_NAMED = 5  # unreadable pictures that the report names


class Encoder(Protocol):
    """Pictures to vectors, in two steps, so that only one full-size picture is in memory at a time."""

    def prepare(self, image: Image.Image) -> Any:
        """What the encoder keeps of an RGB picture."""

    def encode(self, batch: list[Any]) -> NDArray[np.float32]:
        """Vectors of prepared pictures, (n, width)."""


def encode(
    paths: list[Path | None],
    ids: NDArray[np.str_],
    load: Callable[[], Encoder],
    *,
    batch_size: int,
    shard_items: int,
    folder: Path,
    notes: Notes,
) -> Embedding:
    """Vectors of the pictures, at least one; items without a readable picture are absent.

    Args:
        paths: (n,) an item's picture, or None.
        ids: (n,) original item ids.
        load: gives the encoder; called only if a shard is missing.
        batch_size: pictures encoded at once.
        shard_items: items a shard.
        folder: where shards lie.
        notes: where unreadable pictures are counted and the first of them named.
    """
    encoder = cache(load)

    def encode_rows(rows: shards.Rows, step: log.Step) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        return _in_batches(encoder(), [paths[row] for row in rows], batch_size, step)

    wanted = np.flatnonzero([path is not None for path in paths])
    embedding = shards.encode("encode pictures", ids, wanted, encode_rows, size=shard_items, folder=folder)
    _note_unreadable([paths[row] for row in wanted if not embedding.present[row]], notes)
    return embedding


def _in_batches(
    encoder: Encoder, paths: list[Path | None], batch_size: int, step: log.Step
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    parts: list[NDArray[np.float32]] = []
    present = np.zeros(len(paths), dtype=np.bool_)
    for start in range(0, len(paths), batch_size):
        batch = [_prepared(encoder, path) for path in paths[start : start + batch_size]]
        present[start : start + batch_size] = [picture is not None for picture in batch]
        readable = [picture for picture in batch if picture is not None]
        if readable:
            parts.append(encoder.encode(readable))
        step.advance(len(batch))
    vectors = np.zeros((len(paths), parts[0].shape[1] if parts else 0), dtype=np.float32)
    if parts:
        vectors[present] = np.concatenate(parts)
    return vectors, present


def _prepared(encoder: Encoder, path: Path | None) -> Any | None:
    if path is None:
        return None
    try:
        return encoder.prepare(pictures.load(path))
    except pictures.UnreadablePictureError as error:
        log.logger.info("unreadable picture: %s", error)
        return None


def _note_unreadable(paths: list[Path | None], notes: Notes) -> None:
    names = [path.name for path in paths if path is not None]
    notes.entries |= {"unreadable": len(names), "unreadable_first": names[:_NAMED]}
    if names:
        more = ", ..." if len(names) > _NAMED else ""
        notes.warn(f"{len(names)} pictures cannot be read: {', '.join(names[:_NAMED])}{more}")

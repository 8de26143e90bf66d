"""Vectors of texts: in shards by an encoder with weights, or at once by TF-IDF."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clairo import log
from clairo.artifacts import Embedding
from clairo.embeddings import shards, tfidf
from clairo.embeddings.notes import Notes

Encoder = Callable[[list[str]], NDArray[np.float32]]


def encode(
    texts: list[str],
    ids: NDArray[np.str_],
    load: Callable[[], Encoder],
    *,
    at_once: int,
    shard_items: int,
    folder: Path,
) -> Embedding:
    """Vectors of the texts that are not empty, at least one; the items of the others are absent.

    Args:
        texts: (n,) a text an item.
        ids: (n,) original item ids.
        load: gives the encoder; called only if a shard is missing.
        at_once: texts handed to the encoder together.
        shard_items: items a shard.
        folder: where shards lie.
    """
    encoder = cache(load)

    def encode_rows(rows: shards.Rows, step: log.Step) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        parts = []
        for start in range(0, len(rows), at_once):
            batch = [texts[row] for row in rows[start : start + at_once]]
            parts.append(encoder()(batch))
            step.advance(len(batch))
        return np.concatenate(parts), np.ones(len(rows), dtype=np.bool_)

    wanted = np.flatnonzero([bool(text) for text in texts])
    return shards.encode("encode text", ids, wanted, encode_rows, size=shard_items, folder=folder)


def embed_tfidf(texts: list[str], ids: NDArray[np.str_], encoder: tfidf.TfIdf, notes: Notes) -> Embedding:
    """TF-IDF vectors; an item without a known word is absent."""
    vectors = encoder(texts)
    present = np.count_nonzero(vectors, axis=1) > 0
    unknown = sum(bool(text) for text in texts) - int(present.sum())
    if unknown:
        notes.warn(f"{unknown} items have a text, but no word that a training item has")
    notes.entries |= {"words": len(encoder.words), "explained_variance": round(encoder.explained, 6)}
    return Embedding(ids, vectors, present)


def fit_tfidf(
    texts: list[str], training: NDArray[np.bool_], *, width: int, seed: int, notes: Notes
) -> tfidf.TfIdf:
    """TF-IDF fitted on the items of the training split that have a text."""
    known = [text for text, used in zip(texts, training, strict=True) if used and text]
    encoder = tfidf.fit(known, width=width, seed=seed)
    if encoder.width < width:
        notes.warn(
            f"embeddings.text.width = {width} is clamped to {encoder.width}: the training items have "
            f"{encoder.texts} texts of {len(encoder.words)} words"
        )
    return encoder

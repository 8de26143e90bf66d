"""Rows of tokens of unequal length as padded arrays of model ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from clairo.tokens.ids import END, OFFSET, PAD
from clairo.tokens.reading import PERMUTED, Reading

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clairo.vocabulary import Encoder

IGNORED = -100
"""Label of a position that has no target (the value that PyTorch's cross-entropy leaves out)."""


def encode_inputs(
    encoder: Encoder,
    offsets: NDArray[np.int64],
    events: NDArray[np.uint32],
    *,
    seed: int,
    rows: NDArray[np.uint64] | None = None,
    threads: int | None = None,
    reading: Reading = PERMUTED,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Histories as the encoder reads them: permuted by (seed, row), merged, closed by END, padded at the end.

    Where actions are read whole, a position holds all tokens of an action, side by side, before any merge.

    END marks the most recent side, and gives an empty history something to attend to. Cutting a history to
    its latest events is the caller's business.

    Args:
        encoder: the vocabulary's, for the items.
        offsets: (n_histories + 1,); history i is `events[offsets[i]:offsets[i + 1]]`.
        events: item rows.
        seed: seed of the permutations.
        rows: (n_histories,) numbers that tell the permutations of histories apart; 0, 1, ... if left out.
        threads: threads of the encoder; all cores if left out. The result does not depend on it.
        reading: whether to permute, to merge across actions, or to read actions whole.

    Returns:
        Model ids, (n_histories, longest) int64, or (n_histories, longest, n_categories) where actions are
        read whole, and END then stands before padding; and the mask, (n_histories, longest), that is true
        where the position is no padding.
    """
    tokens, ends = reading.encode(encoder, offsets, events, seed=seed, rows=rows, threads=threads)
    ids = _padded(tokens, ends, PAD)
    return ids, np.arange(ids.shape[1]) <= np.diff(ends)[:, None]


def targets(tokens: NDArray[np.uint32], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels of the decoder: (n, longest + 1) int64 model ids, each row ended by END, then IGNORED.

    Args:
        tokens: flat canonical tokens of n rows (see `Vocabulary.canonical`).
        offsets: (n + 1,) where the rows lie.
    """
    return _padded(tokens, offsets, IGNORED)


def flat_rows(
    start: NDArray[np.int64], stop: NDArray[np.int64], values: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The rows `values[start[i]:stop[i]]` joined into one flat array, and its offsets (n + 1,) int64."""
    lengths = stop - start
    offsets = np.zeros(len(start) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets, values[np.repeat(start - offsets[:-1], lengths) + np.arange(offsets[-1])]


def _padded(tokens: NDArray[np.uint32], offsets: NDArray[np.int64], fill: int) -> NDArray[np.int64]:
    """Model ids with END after every row's last entry and `fill` behind it.

    Entries are tokens, or rows of tokens of one width; then END is the first of its row.
    """
    lengths = np.diff(offsets.astype(np.int64))
    shape = (len(lengths), int(lengths.max(initial=0)) + 1, *tokens.shape[1:])
    padded = np.full(shape, fill, dtype=np.int64)
    padded[np.arange(shape[1]) < lengths[:, None]] = tokens.astype(np.int64) + OFFSET
    padded[(np.arange(len(lengths)), lengths) + (0,) * (tokens.ndim - 1)] = END
    return padded

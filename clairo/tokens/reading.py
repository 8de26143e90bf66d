"""How histories become tokens: actions permuted or not, merged across them or inside alone, or read whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from clairo.vocabulary.scope import alone

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clairo.vocabulary import Encoder

_ACTIONS = 1 << 20  # numbers that one history keeps for its actions where each is permuted on its own


@dataclass(frozen=True)
class Reading:
    """How a model reads histories, in training and ever after.

    Attributes:
        across: merges reach across neighbouring actions; otherwise each action is encoded on its own.
        permute: every action's tokens are put in a random order first; otherwise the best merge goes first,
            and a history has one encoding only.
        whole: an action is read at one position, as the sum of what its tokens mean; nothing is merged then,
            and a history has one encoding only, whatever the other two say.
    """

    across: bool = True
    permute: bool = True
    whole: bool = False

    @property
    def views_differ(self) -> bool:
        """Whether a history has more than one encoding."""
        return self.permute and not self.whole

    def encode(
        self,
        encoder: Encoder,
        offsets: NDArray[np.int64],
        events: NDArray[np.uint32],
        *,
        seed: int,
        rows: NDArray[np.uint64] | None,
        threads: int | None,
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Tokens and their offsets; arguments and result are those of `Encoder.encode`.

        Of actions that are read whole the tokens are (n_events, n_categories), an action a row.
        """
        if self.whole:
            return encoder.initial[events], offsets
        if self.across:
            return self._encode(encoder, offsets, events, seed, rows, threads)
        starts = alone(events)
        tokens, ends = self._encode(encoder, starts, events, seed, _of_actions(offsets, rows), threads)
        return tokens, ends[offsets]

    def _encode(
        self,
        encoder: Encoder,
        offsets: NDArray[np.int64],
        events: NDArray[np.uint32],
        seed: int,
        rows: NDArray[np.uint64] | None,
        threads: int | None,
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        if self.permute:
            return encoder.encode(offsets, events, seed=seed, rows=rows, threads=threads)
        return encoder.encode_deterministic(offsets, events, threads=threads)


PERMUTED = Reading()
"""As ActionPiece reads: permuted, and merged across actions."""


def _of_actions(offsets: NDArray[np.int64], rows: NDArray[np.uint64] | None) -> NDArray[np.uint64]:
    """A number for each action that its history's number and its place in the history decide."""
    lengths = np.diff(offsets)
    numbers = np.arange(len(lengths), dtype=np.uint64) if rows is None else rows
    place = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    return np.repeat(numbers * np.uint64(_ACTIONS), lengths) + place.astype(np.uint64)

"""A vocabulary made ready for one table of items, whose tokens are looked up once."""

from functools import cached_property
from typing import SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from clairo import _clairo
from clairo.vocabulary.arguments import integers, whole

_MOST_THREADS = 1024

Tokens: TypeAlias = npt.NDArray[np.uint32]
Offsets: TypeAlias = npt.NDArray[np.int64]


class Encoder:
    """Encodes histories over one table of items, again and again; `Vocabulary.encoder` makes it.

    History i is `events[offsets[i]:offsets[i + 1]]`, where events are row numbers of the table. Every
    argument that cannot be used raises `clairo.InputError`, which names it and the first bad place.
    """

    def __init__(self, core: _clairo.Encoder) -> None:
        self._core = core

    def __len__(self) -> int:
        """Items of the table."""
        return len(self._core)

    @cached_property
    def initial(self) -> Tokens:
        """The tokens of every item before anything is merged: (n_items, n_categories) uint32, read-only."""
        tokens = self._core.initial()
        tokens.setflags(write=False)
        return tokens

    def encode(
        self,
        offsets: npt.ArrayLike,
        events: npt.ArrayLike,
        seed: SupportsIndex = 0,
        rows: npt.ArrayLike | None = None,
        threads: SupportsIndex | None = None,
    ) -> tuple[Tokens, Offsets]:
        """Put every action's tokens in a random order and merge neighbours, lowest merge id first.

        A history's tokens depend on `seed` and on its entry in `rows` alone, on any number of threads and in
        any batch (set permutation regularization: Hou et al., section 3.3).

        Args:
            offsets: (n_histories + 1,) integers.
            events: (n_events,) integers.
            seed: of the permutations, in 0..2**64-1.
            rows: (n_histories,) integers, the histories' own numbers; 0..n_histories-1 unless told.
            threads: all cores unless told.

        Returns:
            tokens, uint32, and offsets, (n_histories + 1,) int64; row i is
            `tokens[offsets[i]:offsets[i + 1]]`.
        """
        starts = integers("offsets", offsets, np.int64)
        items = integers("events", events, np.int64)
        numbers = np.arange(max(len(starts) - 1, 0)) if rows is None else rows
        return self._core.encode(
            starts,
            items,
            whole("seed", seed, 0, 2**64 - 1),
            integers("rows", numbers, np.uint64),
            n_threads(threads),
        )

    def encode_deterministic(
        self, offsets: npt.ArrayLike, events: npt.ArrayLike, threads: SupportsIndex | None = None
    ) -> tuple[Tokens, Offsets]:
        """Merge without permutation, at the place with the largest weight times priority first.

        Arguments and result are those of `encode`. A history of one action gives its canonical tokens.
        """
        starts, items = integers("offsets", offsets, np.int64), integers("events", events, np.int64)
        return self._core.encode_deterministic(starts, items, n_threads(threads))

    def canonical(self, threads: SupportsIndex | None = None) -> tuple[Tokens, Offsets]:
        """The tokens of each item on its own, sorted, as the model is to generate them; one row an item."""
        return self._core.canonical(n_threads(threads))


def n_threads(threads: SupportsIndex | None) -> int | None:
    """`threads` for the core, which takes None for all cores."""
    return None if threads is None else whole("threads", threads, 1, _MOST_THREADS)

# ruff: noqa: PYI021
# The docstrings stand here because a compiled module has no source to read them in.
"""The compiled core. `clairo.Vocabulary` is its public face: it checks shapes and dtypes, the core values."""

from collections.abc import Callable
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt

__all__ = ["Encoder", "Vocabulary"]

@final
class Vocabulary:
    """Tokens, what they stand for, and the encodings that they make possible."""

    @staticmethod
    def train(
        features: npt.NDArray[np.int64],
        offsets: npt.NDArray[np.int64],
        events: npt.NDArray[np.int64],
        size: int,
        cardinalities: list[int] | None,
        threads: int | None,
        progress: Callable[[int, int], object] | None,
        plain: bool,
    ) -> Vocabulary:
        """Merge the heaviest pair of tokens, again and again. Signals are looked at ten times a second.

        With `plain` by the slow and obvious twin: the same vocabulary, for tests and benchmarks.
        """

    def expand(
        self,
        features: npt.NDArray[np.int64],
        offsets: npt.NDArray[np.int64],
        events: npt.NDArray[np.int64],
        size: int,
        threads: int | None,
        progress: Callable[[int, int], object] | None,
    ) -> Vocabulary:
        """Replay the merges on a corpus and go on merging. Progress counts the old merges too."""

    @staticmethod
    def load(path: Path) -> Vocabulary:
        """Read a file. Raises `VocabularyError` naming the entry that is damaged."""

    @staticmethod
    def from_json(text: bytes, name: Path) -> Vocabulary:
        """A vocabulary from a file's text; `name` is for errors."""

    def save(self, path: Path) -> None:
        """Write a file under another name, then rename it."""

    def to_json(self) -> bytes:
        """The text of the file."""

    def __len__(self) -> int: ...
    @property
    def n_categories(self) -> int:
        """Categories of an item."""

    @property
    def n_initial(self) -> int:
        """The first merge's id."""

    @property
    def size_asked(self) -> int | None:
        """The size that the training was asked for, if known."""

    @property
    def cardinalities(self) -> list[int] | None:
        """Values of each category, if given to the training."""

    @property
    def initial_tokens(self) -> list[tuple[int, int]]:
        """(category, value), token 1 first."""

    @property
    def merges(self) -> npt.NDArray[np.uint32]:
        """(2 * n_merges,): both tokens of each merge, the smaller first, laid end to end."""

    @property
    def priorities(self) -> npt.NDArray[np.float64]:
        """(n_merges,), nearest doubles."""

    @property
    def counts(self) -> list[int] | None:
        """Exact priorities in units, if known."""

    @property
    def joined(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]] | None:
        """How often each merge was made inside sets, and how often across, if known."""

    @property
    def unit(self) -> int | None:
        """How many units make one, if known."""

    def encoder(self, features: npt.NDArray[np.int64]) -> Encoder:
        """Looks up the tokens of every item, once."""

    def encode_flat(self, tokens: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
        """Rank-order encoding of one row as it stands."""

    def decode(self, tokens: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64] | None:
        """Values by category, or None unless every category occurs exactly once."""

    def features_of(self, token: int, limit: int) -> list[tuple[int, int]] | None:
        """What a token stands for; None if it is no token or stands for more than `limit`."""

@final
class Encoder:
    """A vocabulary, and the tokens of every item of a table."""

    def __len__(self) -> int:
        """Items of the table."""

    def initial(self) -> npt.NDArray[np.uint32]:
        """Tokens of all items before anything is merged, one a category."""

    def encode(
        self,
        offsets: npt.NDArray[np.int64],
        events: npt.NDArray[np.int64],
        seed: int,
        rows: npt.NDArray[np.uint64],
        threads: int | None,
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """Rank-order encoding, every set permuted by (seed, rows[i]). Flat tokens and offsets."""

    def encode_deterministic(
        self,
        offsets: npt.NDArray[np.int64],
        events: npt.NDArray[np.int64],
        threads: int | None,
    ) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """Encoding without permutation. Flat tokens and offsets."""

    def canonical(self, threads: int | None) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """Canonical tokens, one row an item. Flat tokens and offsets."""

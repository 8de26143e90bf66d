"""The vocabulary's Python face: numpy arrays in and out, the work done by the compiled core."""

from collections.abc import Callable, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, SupportsIndex, TypeVar

import numpy as np
import numpy.typing as npt

from clairo import _clairo
from clairo.errors import InputError
from clairo.vocabulary.arguments import integers, whole, whole_array
from clairo.vocabulary.encoder import Encoder, Offsets, Tokens, n_threads
from clairo.vocabulary.merge_log import merge_log
from clairo.vocabulary.words import token_in_words

if TYPE_CHECKING:
    import polars as pl

_MOST_TOKENS = 1 << 26
_MOST_FEATURES = 1 << 20

_Scalar = TypeVar("_Scalar", bound=np.generic)


class Vocabulary:
    """Tokens, and what each of them stands for: a feature, or the features of two earlier tokens.

    The construction and the encodings are those of ActionPiece (Hou et al., ICML 2025, sections 3.2 and 3.3),
    with exact counts. Items are rows of `features`, an (n_items, n_categories) table of whole numbers without
    equal rows. History i is `events[offsets[i]:offsets[i + 1]]`, where events are row numbers of that table.
    `clairo.Corpus` makes the three of lists, mappings and polars frames.

    Every argument that cannot be used raises `clairo.InputError`, which names it and the first bad place.
    """

    def __init__(self, core: _clairo.Vocabulary) -> None:
        self._core = core

    @classmethod
    def train(
        cls,
        features: npt.ArrayLike,
        offsets: npt.ArrayLike,
        events: npt.ArrayLike,
        size: SupportsIndex = 40_000,
        cardinalities: npt.ArrayLike | None = None,
        threads: SupportsIndex | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> "Vocabulary":
        """Merge the heaviest pair of tokens of the corpus, again and again.

        The result does not depend on the number of threads or on the order of the histories. It is smaller
        than `size` when no pair is left, and never smaller than its initial tokens.

        Args:
            features: (n_items, n_categories) integers.
            offsets: (n_histories + 1,) integers.
            events: (n_events,) integers.
            size: tokens wanted, the padding token and the initial tokens included.
            cardinalities: (n_categories,) integers: every value below gets an initial token, seen or not.
            threads: of the first count; all cores unless told. Merging takes one.
            progress: called with merges done and merges wanted, several times a second and at the end, from
                the calling thread.
        """
        core = _clairo.Vocabulary.train(
            *_corpus(features, offsets, events),
            whole("size", size, 1, _MOST_TOKENS),
            None if cardinalities is None else integers("cardinalities", cardinalities, np.int64).tolist(),
            n_threads(threads),
            _called(progress),
            plain=False,
        )
        return cls(core)

    def expand(
        self,
        features: npt.ArrayLike,
        offsets: npt.ArrayLike,
        events: npt.ArrayLike,
        size: SupportsIndex,
        threads: SupportsIndex | None = None,
        progress: Callable[[int, int], object] | None = None,
    ) -> "Vocabulary":
        """A larger vocabulary that begins with this one: replay its merges on a corpus, and go on merging.

        The corpus may have new users, new items, or both. All tokens of this vocabulary keep their ids and
        their features, so rows of embeddings stay valid and only new rows are added. A new item's codes have
        tokens if the training was given `cardinalities` that leave room for them. On the corpus that this
        vocabulary was trained on, the result is that of a longer training.

        Old merges keep their counts, which are of the corpus that they were made on; new merges have those of
        this one. Canonical encoding goes by priority, so an old item's canonical tokens can change: where a
        new merge joins two of them further, and where one has a higher priority than the old merge that it
        competes with, which the growth of the corpus makes possible. Pass the old histories along with the
        new ones: on the new ones alone, the priorities of new merges are small beside those of old ones.

        Args:
            features: (n_items, n_categories) integers; the rows need not be those of the training.
            offsets: (n_histories + 1,) integers.
            events: (n_events,) integers.
            size: tokens wanted, those of this vocabulary included.
            threads: all cores unless told.
            progress: called with merges done, the old ones included, and merges wanted in all.

        Raises:
            InputError: a code has no token here (it is beyond its cardinality, or no training saw it), `size`
                is below that of this vocabulary, or its file held only priorities, as released files do.
        """
        core = self._core.expand(
            *_corpus(features, offsets, events),
            whole("size", size, 1, _MOST_TOKENS),
            n_threads(threads),
            _called(progress),
        )
        return Vocabulary(core)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "Vocabulary":
        """Read a vocabulary file: one of ours, or one that ActionPiece's released code wrote.

        Raises:
            VocabularyError: there is no such file, or it is damaged; names the file and the entry.
        """
        return cls(_clairo.Vocabulary.load(Path(path)))

    def save(self, path: str | PathLike[str]) -> None:
        """Write a vocabulary file; it appears whole or not at all."""
        self._core.save(Path(path))

    def __len__(self) -> int:
        """Tokens, the padding token included."""
        return len(self._core)

    def __repr__(self) -> str:
        initial, merges = self.n_initial - 1, len(self) - self.n_initial
        categories = self.n_categories
        return (
            f"Vocabulary({len(self)} tokens: {initial} features of {categories} categories, {merges} merges)"
        )

    def __reduce__(self) -> tuple[Callable[[bytes], "Vocabulary"], tuple[bytes]]:
        return _unpickle, (self._core.to_json(),)

    @property
    def n_categories(self) -> int:
        """Categories of an item."""
        return self._core.n_categories

    @property
    def n_initial(self) -> int:
        """The first merge's id: the initial tokens and the padding token come before it."""
        return self._core.n_initial

    @property
    def size_asked(self) -> int | None:
        """The size that the training was asked for; None where a file holds only priorities."""
        return self._core.size_asked

    @cached_property
    def cardinalities(self) -> list[int] | None:
        """Values of each category that have a token, if they were given to the training."""
        return self._core.cardinalities

    @cached_property
    def initial_tokens(self) -> list[tuple[int, int]]:
        """(category, value) of each initial token, token 1 first."""
        return self._core.initial_tokens

    @cached_property
    def merges(self) -> Tokens:
        """(n_merges, 2) uint32, the smaller id first; row m makes token `n_initial + m`."""
        return _frozen(self._core.merges.reshape(-1, 2))

    @cached_property
    def counts(self) -> list[int] | None:
        """The exact priority of merge m is `counts[m] / unit`; None where a file holds only priorities."""
        return self._core.counts

    @cached_property
    def joined(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]] | None:
        """How often each merge was made inside an action, and how often across two neighbouring ones.

        Two (n_merges,) uint64 arrays, of the corpus on which the merge was made; None where a file holds only
        priorities.
        """
        joined = self._core.joined
        return None if joined is None else (_frozen(joined[0]), _frozen(joined[1]))

    @cached_property
    def unit(self) -> int | None:
        """lcm(1..n_categories) squared; None where a file holds only priorities."""
        return self._core.unit

    @cached_property
    def priorities(self) -> npt.NDArray[np.float64]:
        """(n_merges,) float64: the doubles nearest to the exact priorities, which encoding goes by."""
        return _frozen(self._core.priorities)

    def features_of(self, token: SupportsIndex) -> list[tuple[int, int]]:
        """The (category, value) pairs that a token stands for, each as often as it occurs in it."""
        features = self._core.features_of(whole("token", token, 1, len(self) - 1), _MOST_FEATURES)
        if features is None:
            raise InputError(f"token: {token!r} stands for more than {_MOST_FEATURES} features")
        return features

    def describe(self, token: SupportsIndex, names: Sequence[str] | None = None) -> str:
        """A token in words, for people to read.

        Its features and, where categories have names, what they are of. For a merge also its parts, its
        priority, its place among the merges, how often it was made inside an action and across two (where
        the file tells), and the merges that it is made of, three deep.

        Args:
            token: an id in 1..size-1.
            names: of the categories, as `Corpus.names`; their numbers unless told.
        """
        return token_in_words(self, whole("token", token, 1, len(self) - 1), names)

    def merge_log(self, names: Sequence[str] | None = None) -> "pl.DataFrame":
        """A polars table with a row for each merge, in order.

        Columns: `token` made of `left` and `right` (uint32); `priority` (float64); how often the merge was
        made `inside` an action and `across` two neighbouring ones (uint64, null where a file holds only
        priorities), all three on the corpus that the merge was made on; `left_categories` and
        `right_categories` (lists of names, each once) of the features joined; `kinds`, theirs together, such
        as `text + image` for categories named `text 1` and `image 2`.

        Args:
            names: of the categories, as `Corpus.names`; their numbers unless told.
        """
        return merge_log(self, names)

    def encoder(self, features: npt.ArrayLike) -> Encoder:
        """Make ready for histories over the items of `features`, (n_items, n_categories) integers.

        The table is copied and checked here, once. Where its histories are encoded batch by batch, keep this.
        """
        return Encoder(self._core.encoder(integers("features", features, np.int64, 2)))

    def encode(
        self,
        features: npt.ArrayLike,
        offsets: npt.ArrayLike,
        events: npt.ArrayLike,
        seed: SupportsIndex = 0,
        rows: npt.ArrayLike | None = None,
        threads: SupportsIndex | None = None,
    ) -> tuple[Tokens, Offsets]:
        """Put every action's tokens in a random order and merge neighbours: `Encoder.encode`, for one use."""
        return self.encoder(features).encode(offsets, events, seed=seed, rows=rows, threads=threads)

    def encode_deterministic(
        self,
        features: npt.ArrayLike,
        offsets: npt.ArrayLike,
        events: npt.ArrayLike,
        threads: SupportsIndex | None = None,
    ) -> tuple[Tokens, Offsets]:
        """Merge without permutation: `Encoder.encode_deterministic`, for one use."""
        return self.encoder(features).encode_deterministic(offsets, events, threads=threads)

    def canonical(
        self, features: npt.ArrayLike, threads: SupportsIndex | None = None
    ) -> tuple[Tokens, Offsets]:
        """The tokens of each item on its own, sorted: `Encoder.canonical`, for one use."""
        return self.encoder(features).canonical(threads=threads)

    def encode_flat(self, tokens: npt.ArrayLike) -> Tokens:
        """Merge neighbours in one row of tokens as it stands, lowest merge id first, leftmost first."""
        return self._core.encode_flat(integers("tokens", tokens, np.uint32))

    def decode(self, tokens: npt.ArrayLike) -> npt.NDArray[np.int64] | None:
        """The (n_categories,) int64 values that a row of tokens stands for, or None: "no item".

        It is no item unless every category occurs exactly once; whether the table has the combination is the
        caller's to look up. Ids that are no tokens, the padding token among them, make it no item as well.
        """
        row = whole_array("tokens", tokens)
        if np.any((row < 1) | (row >= len(self))):
            return None
        return self._core.decode(row.astype(np.uint32))


def _corpus(
    features: npt.ArrayLike, offsets: npt.ArrayLike, events: npt.ArrayLike
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    return (
        integers("features", features, np.int64, 2),
        integers("offsets", offsets, np.int64),
        integers("events", events, np.int64),
    )


def _called(progress: Callable[[int, int], object] | None) -> Callable[[int, int], object] | None:
    if progress is not None and not callable(progress):
        raise InputError(f"progress: must be callable, is {progress!r}")
    return progress


def _frozen(array: npt.NDArray[_Scalar]) -> npt.NDArray[_Scalar]:
    array.flags.writeable = False
    return array


def _unpickle(text: bytes) -> Vocabulary:
    return Vocabulary(_clairo.Vocabulary.from_json(text, Path("a pickled vocabulary")))

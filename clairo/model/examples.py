"""Training examples: every event of a training history after its first, to be generated from those before."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
import torch

from clairo import rng
from clairo.errors import InputError
from clairo.tokens import PERMUTED, Reading, encode_inputs, flat_rows, targets

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from numpy.typing import NDArray
    from torch import Tensor

    from clairo.model.soft_targets import SoftTargets
    from clairo.vocabulary import Vocabulary

Key = TypeVar("Key")
Value = TypeVar("Value")

_WINDOW = 32
"""Batches among which examples are sorted by length."""
_AHEAD = 4
"""Batches made before they are asked for."""


@dataclass(frozen=True)
class Examples:
    """Example i: from the history `events[start[i]:target[i]]` to the item `events[target[i]]`.

    Attributes:
        events: training events of all users, flat, (n_events,) uint32.
        start: (n,) int64.
        target: (n,) int64; history and target are of one user, and every history has an event.
    """

    events: NDArray[np.uint32]
    start: NDArray[np.int64]
    target: NDArray[np.int64]

    @classmethod
    def of(cls, offsets: NDArray[np.int64], events: NDArray[np.uint32], max_history: int) -> Self:
        """All prefixes of training histories (see `Sequences.training`), cut to their latest events.

        Raises:
            InputError: no history has two events.
        """
        first = np.repeat(offsets[:-1], np.diff(offsets))  # of the user of each event
        target = np.flatnonzero(np.arange(len(events)) > first)
        if not len(target):
            raise InputError(
                "there is nothing to train on: no user has two training events",
                hint="lower sequences.min_user_events, or move sequences.validation_from to a later day",
            )
        return cls(events, np.maximum(first[target], target - max_history), target)

    def __len__(self) -> int:
        return len(self.target)

    def order(self, batch_size: int, *, seed: int, epoch: int) -> list[NDArray[np.int64]]:
        """The example numbers of each batch of an epoch, in a random order that the arguments alone decide.

        Within a window of batches, histories of like length go together, so that little is padded.
        """
        generator = rng.generator(seed, "order", epoch)
        shuffled = generator.permutation(len(self))
        length = (self.target - self.start)[shuffled]
        batches = []
        for begin in range(0, len(self), batch_size * _WINDOW):
            window = slice(begin, begin + batch_size * _WINDOW)
            by_length = shuffled[window][np.argsort(length[window], kind="stable")]
            parts = [by_length[at : at + batch_size] for at in range(0, len(by_length), batch_size)]
            batches += [parts[place] for place in generator.permutation(len(parts))]
        return batches


@dataclass(frozen=True)
class Batch:
    """What one training step reads.

    Attributes:
        ids: int64 model ids of the histories, padded, as `clairo.tokens.encode_inputs` gives them.
        mask: (batch, length) bool, true where `ids` has a token.
        labels: (batch, longest target + 1) int64 model ids, END last, -100 behind.
    """

    ids: Tensor
    mask: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on `device`."""
        return Batch(self.ids.to(device), self.mask.to(device), self.labels.to(device))


class Batches:
    """Makes the batches of every epoch: a history is permuted anew in each, by (seed, epoch, example)."""

    def __init__(
        self,
        examples: Examples,
        vocabulary: Vocabulary,
        features: NDArray[np.uint32],
        *,
        batch_size: int,
        seed: int,
        reading: Reading = PERMUTED,
        soft: SoftTargets | None = None,
    ) -> None:
        self.batch_size, self._reading, self._soft = batch_size, reading, soft
        self._examples, self._encoder = examples, vocabulary.encoder(features)
        self._seed = seed
        self._labels = targets(*self._encoder.canonical())

    @property
    def per_epoch(self) -> int:
        """Batches of an epoch."""
        return -(-len(self._examples) // self.batch_size)

    def of_epoch(self, epoch: int, first: int = 0) -> Generator[Batch]:
        """The batches of an epoch from number `first` on, made in the background."""
        order = self._examples.order(self.batch_size, seed=self._seed, epoch=epoch)
        return prefetch(lambda rows: self.batch(rows, epoch), order[first:], ahead=_AHEAD)

    def batch(self, rows: NDArray[np.int64], epoch: int) -> Batch:
        """The batch of the examples `rows`, as `epoch` permutes them."""
        examples = self._examples
        offsets, events = flat_rows(examples.start[rows], examples.target[rows], examples.events)
        seed = rng.derive(self._seed, "permutation", epoch)
        ids, mask = encode_inputs(
            self._encoder,
            offsets,
            events,
            seed=seed,
            rows=rows.astype(np.uint64),
            threads=1,
            reading=self._reading,
        )
        items = examples.events[examples.target[rows]]
        if self._soft is not None:
            items = self._soft.drawn(rows, items, epoch)
        labels = self._labels[items]
        labels = labels[:, (labels >= 0).any(axis=0)]
        return Batch(torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(labels))


def prefetch(make: Callable[[Key], Value], keys: Iterable[Key], *, ahead: int) -> Generator[Value]:
    """`make(key)` for each key, in order, up to `ahead` of them made in a thread before they are wanted."""
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[Value]] = deque()
        for key in keys:
            waiting.append(pool.submit(make, key))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

"""Validation during training: recall and NDCG of a fixed sample of users, one view of each history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from clairo import metrics, rng
from clairo.errors import InputError
from clairo.model.group import Group
from clairo.model.search import BeamSearch
from clairo.tokens import PERMUTED, Reading, Trie, encode_inputs, flat_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import T5ForConditionalGeneration

    from clairo.artifacts import Sequences
    from clairo.vocabulary import Vocabulary

_ROWS = 256  # users searched at once


class Validation:
    """Measures a network on the validation targets of at most `users` users, drawn once by `seed`.

    Each process of `group` searches for its share of the users, and all learn the metrics of the whole.
    Items of the history are not held back. The permutations of the histories are the same at every call.

    Raises:
        InputError: no user has a validation target.
    """

    def __init__(
        self,
        sequences: Sequences,
        vocabulary: Vocabulary,
        features: NDArray[np.uint32],
        *,
        users: int,
        beams: int,
        max_history: int,
        seed: int,
        group: Group | None = None,
        reading: Reading = PERMUTED,
    ) -> None:
        offsets, events = sequences.input_history("validation")
        _, wanted = sequences.targets("validation")
        if not len(wanted):
            raise InputError(
                "there are no users to validate on: no user has a validation target",
                hint="check sequences.split, and sequences.validation_from and test_from for a split by time",
            )
        chosen = np.arange(len(wanted))
        if len(chosen) > users:
            chosen = np.sort(
                rng.generator(seed, "validation users").choice(len(chosen), users, replace=False)
            )
        self._beams, self._group = beams, group or Group()
        chosen = chosen[self._group.share]
        encoder = vocabulary.encoder(features)
        self._trie = Trie.build(*encoder.canonical())
        self._wanted = wanted[chosen]
        view_seed = rng.derive(seed, "validation view")
        self._inputs = []
        for rows in np.split(chosen, range(_ROWS, len(chosen), _ROWS)) if len(chosen) else ():
            stop = offsets[rows + 1]
            parts = flat_rows(np.maximum(offsets[rows], stop - max_history), stop, events)
            numbers = rows.astype(np.uint64)
            ids, mask = encode_inputs(encoder, *parts, seed=view_seed, rows=numbers, reading=reading)
            self._inputs.append((torch.from_numpy(ids), torch.from_numpy(mask)))

    def __call__(self, network: T5ForConditionalGeneration) -> dict[str, float]:
        """`recall@10` and `ndcg@10` of the network, which is left in evaluation mode."""
        network.eval()
        search = BeamSearch(network, self._trie, beams=self._beams)
        lists = [items for ids, mask in self._inputs for items in search(ids, mask)[0].tolist()]
        ranks = self._group.gather(metrics.rank_of(lists, self._wanted.tolist()).tolist())
        return metrics.summary(np.array(ranks, dtype=np.int64), ks=(10,))

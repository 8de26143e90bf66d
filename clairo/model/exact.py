"""The exact search: the log-probability of every item of the catalogue, and the best by it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from clairo.model.allowed import Allowed
from clairo.model.matmul import fast_float32
from clairo.model.steps import Normalise, Steps, padded
from clairo.tokens import START

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import T5ForConditionalGeneration

    from clairo.model.decoder import DecoderState
    from clairo.tokens import Trie

_ROWS = 16  # rows searched at once
_NODES = 128  # prefixes that a step of the decoder reads for each of them


class ExactSearch:
    """Scores the whole catalogue for each row of a batch: what `BeamSearch` finds if its beams are enough.

    Scores and the order of the arguments are those of `clairo.model.search.BeamSearch`. The whole trie is
    walked, prefixes that items share once, some of them at a time and each to its end, so that memory stays
    bounded. Time grows with the catalogue: this is for small ones, and to see what the beam search misses.

    Args:
        model: the trained model, on the device where the search shall run.
        trie: sequences of the catalogue, in ids of that model.
        beams: items returned.
        normalise: see `BeamSearch`.

    Raises:
        InputError: the trie holds ids that the model does not have.
    """

    def __init__(
        self, model: T5ForConditionalGeneration, trie: Trie, *, beams: int, normalise: Normalise = "trie"
    ) -> None:
        self._steps = Steps(model, trie, normalise)
        self._trie = trie
        self._beams = beams

    @torch.inference_mode()
    def __call__(
        self, input_ids: Tensor, attention_mask: Tensor, allowed: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The best items of every row; see `BeamSearch.__call__`. Equal scores go to the smaller item."""
        scores = self.scores(input_ids, attention_mask)
        if allowed is not None:
            rows = torch.arange(len(scores), device=scores.device)
            may = Allowed(self._trie, allowed.to(scores.device), len(scores)).items(rows)
            scores = scores.where(may, -torch.inf)
        best, items = scores.sort(dim=1, descending=True, stable=True)
        best, items = best[:, : self._beams], items[:, : self._beams]
        return padded(items.where(best > -torch.inf, -1), best, self._beams)

    @torch.inference_mode()
    def scores(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """The log-probability of every item after each row, (rows, n_items) float32."""
        order = attention_mask.sum(dim=1).argsort(stable=True)
        with fast_float32(self._steps.item.device):
            found = [self._rows(input_ids[rows], attention_mask[rows]) for rows in torch.split(order, _ROWS)]
        return torch.cat(found)[order.argsort()]

    def _rows(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """Every item after rows of like length: what is padding in all of them is cut off first."""
        device, length = self._steps.item.device, int(mask.sum(dim=1).max())
        state = self._steps.decoder.begin(input_ids[:, :length].to(device), mask[:, :length].to(device))
        found = torch.full((len(input_ids), self._trie.n_items), -torch.inf, device=device)
        root = torch.zeros(1, dtype=torch.int64, device=device)
        self._walk(state, root, root + START, torch.zeros(len(input_ids), 1, device=device), found)
        return found

    def _walk(self, state: DecoderState, node: Tensor, token: Tensor, score: Tensor, found: Tensor) -> None:
        """Write the items below `node` (nodes,) into `found`; `score` (rows, nodes) is of the prefixes there.

        `token` (nodes,) leads to each node, `state` has read what comes before it.
        """
        rows = len(score)
        hidden = self._steps.decoder.step(state, token.expand(rows, -1))
        edges = self._steps.edges(node.repeat(rows))
        scores = self._steps.scores(hidden.flatten(0, 1), score.flatten(), edges, at_root=state.steps == 1)
        scores = scores.view(rows, -1)
        edge, parent = edges.edge[: scores.shape[1]], edges.beam[: scores.shape[1]]
        item = self._steps.item[edge + 1]
        done = item >= 0
        found[:, item[done]] = scores[:, done]
        for part in torch.split(torch.nonzero(~done).flatten(), _NODES):
            if not len(part):
                return
            branch = replace(state)
            first = torch.arange(rows, device=node.device)[:, None] * len(node)
            branch.reorder((first + parent[part]).flatten())
            self._walk(branch, edge[part] + 1, self._steps.child_token[edge[part]], scores[:, part], found)

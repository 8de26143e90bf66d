"""One step of a search over the trie: the edges that lead on from prefixes, and what they score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from clairo.errors import InputError
from clairo.model.decoder import Decoder
from clairo.model.edges import Edges

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import T5ForConditionalGeneration

    from clairo.tokens import Trie

Normalise = Literal["trie", "vocabulary"]
_SCRATCH = 1 << 24  # floats of the largest scratch matrix: 64 MiB


class Steps:
    """The model over the trie, as the beam search and the exact search both use it.

    Attributes:
        decoder: of the model.
        child_token: (n_edges,) int64, the model id on each edge of the trie.
        item: (n_nodes,) int64, the item that a prefix is already where it need not be followed further, else
            -1. Over the trie that is where a single item is left: the rest of its ids has probability one.

    Raises:
        InputError: the trie holds ids that the model does not have.
    """

    def __init__(self, model: T5ForConditionalGeneration, trie: Trie, normalise: Normalise) -> None:
        _check_fit(model, trie)
        device = model.device
        self.decoder = Decoder(model, trie.depth)
        self.child_token = torch.from_numpy(trie.child_token).to(device, torch.int64)
        self._child_start = torch.from_numpy(trie.child_start).to(device)
        self._over_trie = normalise == "trie"
        done = (trie.sole_item if self._over_trie else trie.leaf_item).copy()
        done[0] = -1  # the root of a catalogue of one item is not done: that item is found as all are
        self.item = torch.from_numpy(done).to(device, torch.int64)

    def edges(self, node: Tensor) -> Edges:
        """The edges out of the nodes (beams,) at which prefixes stand."""
        return Edges.out_of(node, self._child_start)

    def scores(self, hidden: Tensor, score: Tensor, edges: Edges, *, at_root: bool) -> Tensor:
        """Log-probability of each prefix with an edge's token behind it, (n_edges,).

        Args:
            hidden: (beams, d_model), the decoder's states behind the prefixes.
            score: (beams,), log-probabilities of the prefixes.
            edges: those out of the prefixes' nodes.
            at_root: all prefixes are empty.
        """
        logits = self._logits(hidden, edges, at_root=at_root)
        total = self._log_total(hidden, edges, logits)
        return logits + (score - total)[edges.beam]

    def _logits(self, hidden: Tensor, edges: Edges, *, at_root: bool) -> Tensor:
        """Of each edge's token, given the hidden states (beams, d_model) of the beams before the edges."""
        weights, token = self.decoder.output, self.child_token[edges.edge]
        if at_root:
            first = weights[token[: len(token) // len(hidden)]]
            return torch.matmul(hidden, first.T).flatten().float()
        size = _SCRATCH // hidden.shape[1]
        parts = zip(torch.split(token, size), torch.split(edges.beam, size), strict=True)
        return torch.cat([(weights[to].float() * hidden[beam].float()).sum(dim=1) for to, beam in parts])

    def _log_total(self, hidden: Tensor, edges: Edges, logits: Tensor) -> Tensor:
        """What makes a beam's logits log-probabilities when it is taken off, (beams,)."""
        return edges.logsumexp(logits) if self._over_trie else self.decoder.log_total(hidden)


def padded(items: Tensor, scores: Tensor, beams: int) -> tuple[Tensor, Tensor]:
    """Items and scores, (rows, n), as (rows, beams): -1 and -inf where there are no more items."""
    missing = (0, beams - items.shape[1])
    return F.pad(items, missing, value=-1), F.pad(scores, missing, value=-torch.inf)


def _check_fit(model: T5ForConditionalGeneration, trie: Trie) -> None:
    highest = int(trie.child_token.max())
    if highest >= model.config.vocab_size:
        raise InputError(
            f"the items' tokens go up to id {highest}, but the model knows {model.config.vocab_size} ids",
            hint="vocabulary and model are of different runs: run the model stage again",
        )

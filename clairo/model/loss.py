"""What training minimises: the negative log-likelihood of target items, given the decoder's states.

Over the vocabulary, every step's probabilities sum to one over all model ids, and much of what is learned is
which sequences are items at all. Over the trie they sum to one over the ids that can follow, as in a search
with `normalise="trie"`: the sum over the steps is then the cross-entropy over the catalogue, only the rows of
the output layer that can follow are read, and a step with one way on costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from clairo.model.edges import Edges
from clairo.tokens import IGNORED

if TYPE_CHECKING:
    from torch import Tensor

    from clairo.tokens import Trie


class VocabularyLoss(nn.Module):
    """Mean over labelled positions of the cross-entropy over all model ids."""

    def __init__(self, label_smoothing: float) -> None:
        super().__init__()
        self._smoothing = label_smoothing

    def forward(self, states: Tensor, weights: Tensor, labels: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            states: (batch, steps, d_model), scaled for the output layer.
            weights: (model ids, d_model) of the output layer.
            labels: (batch, steps) int64 model ids, END last, -100 behind.
        """
        labelled = labels != IGNORED
        # Only labelled positions reach the output layer, the largest of all where the vocabulary is large.
        logits = functional.linear(states[labelled], weights)
        return functional.cross_entropy(logits, labels[labelled], label_smoothing=self._smoothing)

    @staticmethod
    def count(labels: Tensor) -> int:
        """How many the loss is the mean of."""
        return int((labels != IGNORED).sum())


class TrieLoss(nn.Module):
    """Mean over examples of the target item's negative log-likelihood among the items of `trie`."""

    def __init__(self, trie: Trie, label_smoothing: float) -> None:
        super().__init__()
        self._smoothing = label_smoothing
        self._span = int(trie.child_token.max()) + 1
        start, token = torch.from_numpy(trie.child_start), torch.from_numpy(trie.child_token).long()
        parent = torch.repeat_interleave(torch.arange(len(start) - 1), start.diff())
        self._child_start: Tensor
        self._child_token: Tensor
        self._key: Tensor
        self.register_buffer("_child_start", start, persistent=False)
        self.register_buffer("_child_token", token, persistent=False)
        # Edges lie in the order of node and id, so an edge is found by binary search.
        self.register_buffer("_key", parent * self._span + token, persistent=False)

    def forward(self, states: Tensor, weights: Tensor, labels: Tensor) -> Tensor:
        """The loss, a scalar; arguments as those of `VocabularyLoss`, each row of `labels` an item's."""
        node = self._nodes(labels)
        ways = (self._child_start[node + 1] - self._child_start[node]).masked_fill(labels == IGNORED, 0)
        at_root = torch.zeros_like(ways, dtype=torch.bool)
        at_root[:, 0] = ways[:, 0] > 1
        below = (ways > 1) & ~at_root
        loss = self._at_root(states[at_root], weights, labels[at_root])
        loss = loss + self._below(states[below], weights, labels[below], node[below])
        return loss / len(labels)

    @staticmethod
    def count(labels: Tensor) -> int:
        """How many the loss is the mean of."""
        return len(labels)

    def _nodes(self, labels: Tensor) -> Tensor:
        """The node before each label, (batch, steps) int64; any node where there is no label."""
        node = torch.zeros_like(labels[:, 0])
        nodes = []
        for label in labels.T:
            nodes.append(node)
            edge = torch.searchsorted(self._key, node * self._span + label.clamp(min=0))
            node = torch.where(label == IGNORED, node, edge + 1)  # edge e leads to node e + 1
        return torch.stack(nodes, dim=1)

    def _at_root(self, states: Tensor, weights: Tensor, labels: Tensor) -> Tensor:
        """All rows stand at one node: one matrix product."""
        token = self._child_token[: self._child_start[1]]
        target = torch.searchsorted(token, labels)
        return functional.cross_entropy(
            functional.linear(states, weights[token]),
            target,
            reduction="sum",
            label_smoothing=self._smoothing,
        )

    def _below(self, states: Tensor, weights: Tensor, labels: Tensor, node: Tensor) -> Tensor:
        """Each row stands at a node of its own: products with that node's edges alone."""
        edges = Edges.out_of(node, self._child_start)
        # As look-ups of embeddings: their gradients add up in one order, those of indexing as threads race.
        rows = functional.embedding(self._child_token[edges.edge], weights)
        logits = (rows * functional.embedding(edges.beam, states)).sum(dim=1)
        total = edges.logsumexp(logits)
        wanted = (functional.embedding(labels, weights) * states).sum(dim=1)
        if self._smoothing:
            mean = torch.zeros_like(total).index_add(0, edges.beam, logits) / edges.count
            wanted = (1 - self._smoothing) * wanted + self._smoothing * mean
        return (total - wanted).sum()

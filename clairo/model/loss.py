"""What training minimises: the negative log-likelihood of target items, given the decoder's states.

Over the vocabulary, every step's probabilities sum to one over all model ids, and much of what is learned is
which sequences are items at all. Over the trie they sum to one over the ids that can follow, as in a search
with `normalise="trie"`: the sum over the steps is then the cross-entropy over the catalogue, only the rows of
the output layer that can follow are read, and a step with one way on costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
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
        ways = start.diff()
        parent = torch.repeat_interleave(torch.arange(len(ways)), ways)
        self._ways: Tensor
        self._child_start: Tensor
        self._child_token: Tensor
        self._at_root: Tensor
        self._key: Tensor
        self.register_buffer("_ways", ways, persistent=False)
        self.register_buffer("_child_start", start, persistent=False)
        self.register_buffer("_child_token", token, persistent=False)
        self.register_buffer("_at_root", token[: start[1]].clone(), persistent=False)
        # Edges lie in the order of node and id, so an edge is found by binary search.
        self.register_buffer("_key", parent * self._span + token, persistent=False)

    def forward(self, states: Tensor, weights: Tensor, labels: Tensor) -> Tensor:
        """The loss, a scalar; arguments as those of `VocabularyLoss`, each row of `labels` an item's."""
        choices = self._below_root(labels)
        # One look-up for all rows of the output layer: the gradient of each is as large as the layer. As
        # look-ups of embeddings: their gradients add up in one order, those of indexing as threads race.
        rows = functional.embedding(torch.cat((self._at_root, choices.token)), weights)
        first, others = torch.split(rows, [len(self._at_root), len(choices.token)])
        places = torch.arange(len(labels), device=labels.device) * labels.shape[1]
        picked = functional.embedding(torch.cat((places, choices.place)), states.flatten(0, 1))
        at_root, below = torch.split(picked, [len(labels), len(choices.place)])
        loss = self._of_first(at_root, first, labels[:, 0]) + self._of_others(below, others, choices)
        return loss / len(labels)

    @staticmethod
    def count(labels: Tensor) -> int:
        """How many the loss is the mean of."""
        return len(labels)

    def _below_root(self, labels: Tensor) -> _Choices:
        """All labels but the first ones that are not the only way on."""
        node = self._nodes(labels)
        several = (self._ways[node] > 1) & (labels != IGNORED)
        several[:, 0] = False
        place = several.flatten().nonzero().squeeze(1)
        edges = Edges.out_of(node.flatten()[place], self._child_start)
        following = self._child_token[edges.edge]
        token, column = self._distinct(following)
        bar = torch.full((len(place), len(token)), -torch.inf, device=labels.device)
        bar[edges.beam, column[following]] = 0
        return _Choices(place, token, bar, column[labels.flatten()[place]], edges.count)

    def _distinct(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The distinct ones of `ids` in order, and a table of where each of them stands there, by id."""
        seen = torch.zeros(self._span, dtype=torch.bool, device=ids.device)
        seen[ids] = True
        distinct = seen.nonzero().squeeze(1)
        column = torch.zeros(self._span, dtype=torch.int64, device=ids.device)
        column[distinct] = torch.arange(len(distinct), device=ids.device)
        return distinct, column

    def _nodes(self, labels: Tensor) -> Tensor:
        """The node before each label, (batch, steps) int64; any node where there is no label."""
        nodes = [torch.zeros_like(labels[:, 0])]
        for label in labels.T[:-1].clamp(min=0).contiguous():
            # Edge e leads to node e + 1, which is how many keys are not above its own.
            nodes.append(torch.searchsorted(self._key, nodes[-1] * self._span + label, right=True))
        return torch.stack(nodes, dim=1)

    def _of_first(self, states: Tensor, rows: Tensor, labels: Tensor) -> Tensor:
        """The summed loss of the first labels: all states stand at the root."""
        return functional.cross_entropy(
            functional.linear(states, rows),
            torch.searchsorted(self._at_root, labels.contiguous()),
            reduction="sum",
            label_smoothing=self._smoothing,
        )

    def _of_others(self, states: Tensor, rows: Tensor, choices: _Choices) -> Tensor:
        """The summed loss of the other labels, each at a node of its own.

        Every state meets the rows of all: one product is faster than reading the rows of each from memory,
        and never more than what the loss over the vocabulary computes.
        """
        with torch.autocast(states.device.type, enabled=False):
            logits = functional.linear(states.float(), rows.float())
        log = (logits + choices.bar).log_softmax(dim=1)
        loss = functional.nll_loss(log, choices.target, reduction="sum")
        if not self._smoothing:
            return loss
        mean = log.masked_fill(choices.bar != 0, 0).sum(dim=1) / choices.count
        return (1 - self._smoothing) * loss - self._smoothing * mean.sum()


@dataclass(frozen=True)
class _Choices:
    """Labels where several ids can follow.

    Attributes:
        place: (n,) int64, where they stand in the flattened batch.
        token: (m,) int64, all ids that can follow at one of them, in order.
        bar: (n, m) float32, 0 where that can follow and -inf where not, to be added to logits.
        target: (n,) int64, which of them is the label.
        count: (n,) int64, how many can follow.
    """

    place: Tensor
    token: Tensor
    bar: Tensor
    target: Tensor
    count: Tensor

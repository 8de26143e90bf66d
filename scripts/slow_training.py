"""Training as it is commonly written for generative recommenders, plainly: the slow side of the benchmark.

transformers' T5 in float32, a loss over all model ids, and a collate function in Python that permutes, merges
and pads each history as the released code of ActionPiece does, rule after rule over the whole row.
"""

import random
from typing import Any

import torch
from torch import Tensor

from clairo.tokens import END, IGNORED, OFFSET, PAD

Example = tuple[list[int], int]  # items of the history, and the item to be generated


class Collate:
    """Makes a batch of examples.

    Args:
        merges: the two tokens of every merge, in order.
        first: token of the first merge.
        item_tokens: the features' tokens of every item.
        targets: canonical tokens of every item.
    """

    def __init__(
        self,
        merges: list[tuple[int, int]],
        first: int,
        item_tokens: list[list[int]],
        targets: list[list[int]],
    ) -> None:
        self._rules = {pair: first + number for number, pair in enumerate(merges)}
        self._item_tokens, self._targets = item_tokens, targets
        self._chance = random.Random(0)  # noqa: S311 - permutations need no secrets

    def __call__(self, examples: list[Example]) -> tuple[Tensor, Tensor, Tensor]:
        """Ids, mask and labels, each (batch, longest)."""
        rows = [self.encode(self.permuted(history)) for history, _ in examples]
        ids = _padded(rows, PAD)
        return ids, ids != PAD, _padded([self._targets[target] for _, target in examples], IGNORED)

    def permuted(self, history: list[int]) -> list[int]:
        """The features of a history, those of each item in a random order."""
        flat = []
        for item in history:
            tokens = list(self._item_tokens[item])
            self._chance.shuffle(tokens)
            flat += tokens
        return flat

    def encode(self, tokens: list[int]) -> list[int]:
        """Merge the adjacent pair of the earliest rule, leftmost first, until none is left."""
        while True:
            best, place = None, -1
            for at in range(len(tokens) - 1):
                one, other = tokens[at], tokens[at + 1]
                rule = self._rules.get((one, other) if one < other else (other, one))
                if rule is not None and (best is None or rule < best):
                    best, place = rule, at
            if best is None:
                return tokens
            tokens = [*tokens[:place], best, *tokens[place + 2 :]]


def train(model: Any, batches: Any, *, learning_rate: float) -> list[float]:
    """One pass over `batches` with AdamW; the loss of each."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.1)
    losses = []
    for ids, mask, labels in batches:
        loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def _padded(rows: list[list[int]], fill: int) -> Tensor:
    longest = max(map(len, rows)) + 1
    full = [[token + OFFSET for token in row] + [END] + [fill] * (longest - len(row) - 1) for row in rows]
    return torch.tensor(full)

"""Beam search over the trie of items: the best items for each encoded history, and their scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from clairo.errors import InputError
from clairo.model.decoder import Decoder
from clairo.model.edges import Edges
from clairo.model.matmul import fast_float32
from clairo.tokens import START

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import T5ForConditionalGeneration

    from clairo.tokens import Trie

Normalise = Literal["trie", "vocabulary"]
_ROWS = 64  # rows searched at once
_SCRATCH = 1 << 24  # floats of the largest scratch matrix: 64 MiB


class BeamSearch:
    """Finds, for each row of a batch, the items whose token sequences the model gives most probability.

    The score of an item with model ids t1, ..., tn is the exact log-probability of its canonical sequence and
    the END behind it, log p(t1) + log p(t2 | t1) + ... + log p(END | t1, ..., tn). With `normalise="trie"`
    the probabilities of each step sum to one over the ids that can follow in the trie, so that the scores of
    all items are a distribution over the catalogue; with `"vocabulary"` they sum to one over all model ids.

    At each step a row keeps its `beams` best prefixes. A prefix that has become an item keeps its score and
    competes on; scores only fall, so the search ends when every kept prefix is an item. With `"trie"` a
    prefix that leads to a single item is that item already, for the rest of its ids has probability one. With
    as many beams as the trie has items the result is exact.

    Args:
        model: the trained model, on the device where the search shall run.
        trie: sequences of the catalogue, in ids of that model.
        beams: prefixes kept for each row, and items returned.
        normalise: see above.

    Raises:
        InputError: the trie holds ids that the model does not have.
    """

    def __init__(
        self, model: T5ForConditionalGeneration, trie: Trie, *, beams: int, normalise: Normalise = "trie"
    ) -> None:
        _check_fit(model, trie)
        device = model.device
        self._decoder = Decoder(model, trie.depth)
        self._width = min(beams, trie.n_items)
        self._beams = beams
        self._over_trie = normalise == "trie"
        self._child_start = torch.from_numpy(trie.child_start).to(device)
        self._child_token = torch.from_numpy(trie.child_token).to(device, torch.int64)
        done = (trie.sole_item if self._over_trie else trie.leaf_item).copy()
        done[0] = -1  # the root of a catalogue of one item is not done: that item is found as all are
        self._item = torch.from_numpy(done).to(device, torch.int64)

    @torch.inference_mode()
    def __call__(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Search for every row; a row is one view of one user.

        Args:
            input_ids: (rows, length) int64 model ids, padded behind (see `clairo.tokens.encode_inputs`).
            attention_mask: (rows, length) bool.

        Returns:
            Items (rows, beams) int64, best first, all different, -1 where there are no more items; and their
            scores (rows, beams) float32, -inf there.
        """
        order = attention_mask.sum(dim=1).argsort(stable=True)
        with fast_float32(self._item.device):
            found = [
                self._search(input_ids[rows], attention_mask[rows]) for rows in torch.split(order, _ROWS)
            ]
        back = order.argsort()
        return torch.cat([items for items, _ in found])[back], torch.cat([score for _, score in found])[back]

    def _search(self, input_ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Search for rows of like length: what is padding in all of them is cut off first."""
        device, length = self._item.device, int(mask.sum(dim=1).max())
        state = self._decoder.begin(input_ids[:, :length].to(device), mask[:, :length].to(device))
        front = self._start(len(input_ids))
        while front.token.shape[1]:
            hidden = self._decoder.step(state, front.token)
            front = self._advance(front, hidden, at_root=state.steps == 1)
            state.reorder(front.parent)
        missing = self._beams - front.done_item.shape[1]
        best, order = front.done_score.sort(dim=1, descending=True, stable=True)
        items = front.done_item.gather(1, order)
        return _pad(items, missing, -1), _pad(best, missing, -torch.inf)

    def _start(self, rows: int) -> _Front:
        """Every row at the root, with nothing found."""
        device = self._item.device
        found = torch.full((rows, 1), -1, dtype=torch.int64, device=device)
        return _Front(
            node=torch.zeros_like(found),
            token=torch.full_like(found, START),
            score=torch.zeros(rows, 1, device=device),
            parent=torch.arange(rows, device=device),
            done_item=found,
            done_score=torch.full((rows, 1), -torch.inf, device=device),
        )

    def _advance(self, front: _Front, hidden: Tensor, *, at_root: bool) -> _Front:
        """The best of what is done and what can follow, given hidden states (rows, beams, d_model)."""
        edges = Edges.out_of(front.node.flatten(), self._child_start)
        logits = self._logits(hidden.flatten(0, 1), edges, at_root=at_root)
        total = self._log_total(hidden.flatten(0, 1), edges, logits)
        scores = logits + (front.score.flatten() - total)[edges.beam]
        table, row_start = edges.by_row(scores, len(hidden))
        pool = torch.cat((front.done_score, table), dim=1)
        score, pick = pool.topk(min(self._width, pool.shape[1]), dim=1)

        n_done = front.done_score.shape[1]
        flat = (row_start[:, None] + pick - n_done).clamp(
            0, len(scores) - 1
        )  # means nothing where pick < n_done
        edge, parent = edges.edge[flat], edges.beam[flat]
        found_before = front.done_item.gather(1, pick.clamp(max=n_done - 1))
        item = torch.where(pick < n_done, found_before, self._item[edge + 1])
        real = score > -torch.inf
        done = real & (item >= 0)
        order, alive = _first_columns(real & (item < 0))
        edge = edge.gather(1, order)
        return _Front(
            node=torch.where(alive, edge + 1, len(self._item) - 1),  # the last node has no children
            token=self._child_token[edge],
            score=score.gather(1, order).where(alive, -torch.inf),
            parent=parent.gather(1, order).flatten(),
            done_item=item.where(done, -1),
            done_score=score.where(done, -torch.inf),
        )

    def _logits(self, hidden: Tensor, edges: Edges, *, at_root: bool) -> Tensor:
        """Of each edge's token, given the hidden states (beams, d_model) of the beams before the edges."""
        weights, token = self._decoder.output, self._child_token[edges.edge]
        if at_root:
            first = weights[token[: len(token) // len(hidden)]]
            return torch.matmul(hidden, first.T).flatten()
        size = _SCRATCH // hidden.shape[1]
        parts = zip(torch.split(token, size), torch.split(edges.beam, size), strict=True)
        return torch.cat([(weights[to] * hidden[beam]).sum(dim=1) for to, beam in parts])

    def _log_total(self, hidden: Tensor, edges: Edges, logits: Tensor) -> Tensor:
        """What makes a beam's logits log-probabilities when it is taken off, (beams,)."""
        if self._over_trie:
            return edges.logsumexp(logits)
        weights = self._decoder.output
        parts = torch.split(hidden, max(1, _SCRATCH // len(weights)))
        return torch.cat([torch.logsumexp(part @ weights.T, dim=1) for part in parts])


@dataclass(frozen=True)
class _Front:
    """The prefixes that every row keeps: those to go on with, and those that are items.

    All are (rows, n) but `parent`, which is flat: the beam of the step before that each prefix goes on from.
    Rows with fewer prefixes than others are filled up with score -inf.
    """

    node: Tensor
    token: Tensor
    score: Tensor
    parent: Tensor
    done_item: Tensor
    done_score: Tensor


def _first_columns(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Columns that bring what is chosen in each row to the front, in order, and which of them are chosen.

    As many columns as the row with the most chosen has.
    """
    most = int(chosen.sum(dim=1).max())
    order = chosen.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :most]
    return order, chosen.gather(1, order)


def _check_fit(model: T5ForConditionalGeneration, trie: Trie) -> None:
    highest = int(trie.child_token.max())
    if highest >= model.config.vocab_size:
        raise InputError(
            f"the items' tokens go up to id {highest}, but the model knows {model.config.vocab_size} ids",
            hint="vocabulary and model are of different runs: run the model stage again",
        )


def _pad(found: Tensor, missing: int, value: float) -> Tensor:
    return torch.nn.functional.pad(found, (0, missing), value=value)

"""Beam search over the trie of items: the best items for each encoded history, and their scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from clairo.model.allowed import Allowed
from clairo.model.matmul import fast_float32
from clairo.model.steps import Normalise, Steps, padded
from clairo.tokens import START

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import T5ForConditionalGeneration

    from clairo.tokens import Trie

_ROWS = 64  # rows searched at once


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

    Where only some items are allowed, edges without such an item below them are pruned, so that every beam
    leads to one. Pruning changes no score: with either `normalise`, probabilities sum to one over what could
    follow without it, and an item scores the same whatever else is allowed. Over the trie, the probabilities
    of all allowed items then sum to the one that the model gives them together, not to one. With as many
    beams as items are allowed the result is exact. Between that and the whole catalogue a search needs more
    beams than without lists: a prefix is kept for all that lies below it, allowed or not.

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
        self._steps = Steps(model, trie, normalise)
        self._trie = trie
        self._width = min(beams, trie.n_items)
        self._beams = beams

    @torch.inference_mode()
    def __call__(
        self, input_ids: Tensor, attention_mask: Tensor, allowed: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Search for every row; a row is one view of one user.

        Args:
            input_ids: int64 model ids, padded behind (see `clairo.tokens.encode_inputs`).
            attention_mask: (rows, length) bool.
            allowed: (sets, n_items) bool, the items that may come out: one set for all rows, or sets that
                each hold for as many rows as any other, one after the other. Left out, every item may.

        Returns:
            Items (rows, beams) int64, best first, all different, -1 where there are no more items; and their
            scores (rows, beams) float32, -inf there.

        Raises:
            ValueError: `allowed` is of another type or shape.
        """
        device = self._steps.item.device
        pruned = None if allowed is None else Allowed(self._trie, allowed.to(device), len(input_ids))
        order = attention_mask.sum(dim=1).argsort(stable=True)
        with fast_float32(device):
            found = [
                self._search(input_ids[rows], attention_mask[rows], rows.to(device), pruned)
                for rows in torch.split(order, _ROWS)
            ]
        back = order.argsort()
        return torch.cat([items for items, _ in found])[back], torch.cat([score for _, score in found])[back]

    def _search(
        self, input_ids: Tensor, mask: Tensor, rows: Tensor, pruned: Allowed | None
    ) -> tuple[Tensor, Tensor]:
        """Search for rows of like length: what is padding in all of them is cut off first."""
        device, length = self._steps.item.device, int(mask.sum(dim=1).max())
        state = self._steps.decoder.begin(input_ids[:, :length].to(device), mask[:, :length].to(device))
        front = self._start(len(input_ids))
        while front.token.shape[1]:
            hidden = self._steps.decoder.step(state, front.token)
            front = self._advance(front, hidden, rows, pruned, at_root=state.steps == 1)
            state.reorder(front.parent)
        best, order = front.done_score.sort(dim=1, descending=True, stable=True)
        return padded(front.done_item.gather(1, order), best, self._beams)

    def _start(self, rows: int) -> _Front:
        """Every row at the root, with nothing found."""
        device = self._steps.item.device
        found = torch.full((rows, 1), -1, dtype=torch.int64, device=device)
        return _Front(
            node=torch.zeros_like(found),
            token=torch.full_like(found, START),
            score=torch.zeros(rows, 1, device=device),
            parent=torch.arange(rows, device=device),
            done_item=found,
            done_score=torch.full((rows, 1), -torch.inf, device=device),
        )

    def _advance(
        self, front: _Front, hidden: Tensor, rows: Tensor, pruned: Allowed | None, *, at_root: bool
    ) -> _Front:
        """The best of what is done and what can follow, given hidden states (rows, beams, d_model)."""
        item, edges = self._steps.item, self._steps.edges(front.node.flatten())
        scores = self._steps.scores(hidden.flatten(0, 1), front.score.flatten(), edges, at_root=at_root)
        if pruned is not None:
            row = rows[edges.beam // hidden.shape[1]]
            scores = scores.where(pruned.leads_on(row, edges.edge), -torch.inf)
        table, row_start = edges.by_row(scores, len(hidden))
        pool = torch.cat((front.done_score, table), dim=1)
        score, pick = pool.topk(min(self._width, pool.shape[1]), dim=1)

        n_done = front.done_score.shape[1]
        flat = (row_start[:, None] + pick - n_done).clamp(
            0, len(scores) - 1
        )  # means nothing where pick < n_done
        edge, parent = edges.edge[flat], edges.beam[flat]
        found_before = front.done_item.gather(1, pick.clamp(max=n_done - 1))
        named = torch.where(pick < n_done, found_before, item[edge + 1])
        real = score > -torch.inf
        done = real & (named >= 0)
        order, alive = _first_columns(real & (named < 0))
        edge = edge.gather(1, order)
        return _Front(
            node=torch.where(alive, edge + 1, len(item) - 1),  # the last node has no children
            token=self._steps.child_token[edge],
            score=score.gather(1, order).where(alive, -torch.inf),
            parent=parent.gather(1, order).flatten(),
            done_item=named.where(done, -1),
            done_score=score.where(done, -torch.inf),
        )


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

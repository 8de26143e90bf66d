"""The edges of a trie that lead on from many beams: rows of unequal length in flat tensors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Edges:
    """Every edge out of the nodes at which beams stand, beam after beam.

    Attributes:
        count: (beams,) int64, edges of each beam; beams are numbered over all rows.
        beam: (n,) int64, the beam of each edge.
        edge: (n,) int64, its number in the trie.
    """

    count: Tensor
    beam: Tensor
    edge: Tensor

    @classmethod
    def out_of(cls, node: Tensor, child_start: Tensor) -> Self:
        """The edges out of `node`, (beams,) int64."""
        start = child_start[node]
        count = child_start[node + 1] - start
        beam = torch.repeat_interleave(torch.arange(len(node), device=node.device), count)
        shift = start - (count.cumsum(0) - count)
        return cls(count, beam, torch.arange(len(beam), device=node.device) + shift[beam])

    def logsumexp(self, values: Tensor) -> Tensor:
        """log(sum(exp(values))) over each beam's edges: (n,) to (beams,)."""
        nothing = values.new_full(self.count.shape, -torch.inf)
        peak = nothing.scatter_reduce(0, self.beam, values.detach(), "amax")
        rest = (values - peak[self.beam]).exp()
        return peak + torch.zeros_like(nothing).index_add(0, self.beam, rest).log()

    def by_row(self, values: Tensor, rows: int) -> tuple[Tensor, Tensor]:
        """Values (n,) as (rows, most edges) with -inf behind each row's last, and where each row starts."""
        count = self.count.view(rows, -1).sum(dim=1)
        start = count.cumsum(0) - count
        row = self.beam // (len(self.count) // rows)
        table = values.new_full((rows, int(count.max())), -torch.inf)
        table[row, torch.arange(len(values), device=values.device) - start[row]] = values
        return table, start

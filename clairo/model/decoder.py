"""One decoder step of T5 for many beams, over the weights of transformers' model.

The model's own forward copies every row's cross-attention keys to each of its beams and pays for generality
at each step, which makes it many times slower for our short targets. Here the beams of a row share its keys.
Attention is written as products of batches of matrices: PyTorch's fused kernel is many times slower at these
sizes on a CPU. The network is that of Raffel et al. (JMLR 2020) as transformers computes it; a test holds the
two together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from clairo.model.forward import encode, rms_norm, shut
from clairo.model.network import output_scale

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import T5ForConditionalGeneration

_SCRATCH = 1 << 24  # floats of the largest scratch matrix: 64 MiB
_LOG2_E = 1 / math.log(2)
_BLOCK = 512  # model ids whose logits are computed at once


@dataclass
class DecoderState:
    """What a batch of rows and its beams carry from step to step.

    Attributes:
        cross: each layer's keys, (rows, heads, d_kv, length), and values, (rows, heads, length, d_kv), of the
            encoded input.
        mask: (rows, 1, 1, length) float, 0 where the input has a token, else -inf.
        past: each layer's keys and values of the beams' own tokens, (rows * beams, heads, steps, d_kv).
        steps: tokens decoded so far.
    """

    cross: list[tuple[Tensor, Tensor]]
    mask: Tensor
    past: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    steps: int = 0

    def reorder(self, beams: Tensor) -> None:
        """Let the new beams carry on from the beams of flat index `beams`, (rows * new beams,) int64."""
        self.past = [
            (keys.index_select(0, beams), values.index_select(0, beams)) for keys, values in self.past
        ]


class Decoder:
    """The network of `model`, its decoder a token at a time, without dropout, in the dtype of its weights."""

    def __init__(self, model: T5ForConditionalGeneration, max_steps: int) -> None:
        config = model.config
        self._model = model
        self._heads, self._d_kv = config.num_heads, config.d_kv
        self._scale = output_scale(model)
        self._layers = [_Layer(block) for block in model.decoder.block]
        bias = model.decoder.block[0].layer[0].SelfAttention.compute_bias(max_steps, max_steps)
        self._bias = bias.detach()  # (1, heads, max_steps, max_steps)
        self.output = model.lm_head.weight.detach()  # (model ids, d_model)

    def begin(self, input_ids: Tensor, mask: Tensor) -> DecoderState:
        """Encode the inputs, ids and bool mask as `encode` takes them, and lay out their keys and values."""
        encoded = self._encode(input_ids, mask)
        cross = []
        for layer in self._layers:
            keys, values = F.linear(encoded, layer.cross_kv).chunk(2, dim=-1)
            cross.append((self._split(keys).transpose(2, 3).contiguous(), self._split(values).contiguous()))
        return DecoderState(cross, shut(mask, encoded.dtype))

    def _encode(self, input_ids: Tensor, mask: Tensor) -> Tensor:
        """Some rows at a time, as attention takes memory with the square of the length."""
        size = max(1, _SCRATCH // (self._heads * input_ids.shape[1] ** 2))
        parts = zip(torch.split(input_ids, size), torch.split(mask, size), strict=True)
        return torch.cat([encode(self._model, ids, shown) for ids, shown in parts])

    def step(self, state: DecoderState, tokens: Tensor) -> Tensor:
        """Hidden states after one more token for each beam; their dot products with `output` are the logits.

        Args:
            state: moved on in place. Its past must be that of these beams (see `DecoderState.reorder`).
            tokens: (rows, beams) int64 model ids.

        Returns:
            (rows, beams, d_model) float.
        """
        rows, beams = tokens.shape
        hidden = F.embedding(tokens.reshape(-1), self._model.shared.weight)  # (rows * beams, d_model)
        past = []
        for number, layer in enumerate(self._layers):
            earlier = state.past[number] if state.steps else None
            read = rms_norm(hidden, layer.norms[0])
            attended, now = self._self_attention(layer, read, earlier, state.steps)
            hidden = hidden + attended
            past.append(now)
            queries = F.linear(rms_norm(hidden, layer.norms[1]), layer.cross_q).view(rows, beams, -1)
            hidden = hidden + self._cross_attention(layer, queries, *state.cross[number], state.mask)
            inner = F.linear(rms_norm(hidden, layer.norms[2]), layer.wi).relu_()
            hidden = hidden + F.linear(inner, layer.wo)
        state.past = past
        state.steps += 1
        hidden = rms_norm(hidden, self._model.decoder.final_layer_norm) * self._scale
        return hidden.view(rows, beams, -1)

    def log_total(self, hidden: Tensor) -> Tensor:
        """log(sum(exp(logits))) over all model ids, (n,) float32, for states (n, d_model) of `step`."""
        # A block of ids at a time, so that its logits are still in the cache when they are added up.
        parts = [_logsumexp((hidden @ ids.T).float()) for ids in torch.split(self.output, _BLOCK)]
        return _logsumexp(torch.stack(parts, dim=1))

    def _self_attention(
        self, layer: _Layer, hidden: Tensor, past: tuple[Tensor, Tensor] | None, steps: int
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        qkv = F.linear(hidden, layer.self_qkv).view(len(hidden), 3, self._heads, 1, self._d_kv)
        query, keys, values = qkv.unbind(dim=1)  # each (rows * beams, heads, 1, d_kv)
        if past is not None:
            keys, values = torch.cat((past[0], keys), dim=2), torch.cat((past[1], values), dim=2)
        # So few keys that products and sums beat thousands of tiny matrix products.
        weights = (query * keys).sum(dim=-1) + self._bias[:, :, steps, : steps + 1]
        attended = (weights.softmax(dim=-1).unsqueeze(-1) * values).sum(dim=2)
        return F.linear(attended.reshape(len(hidden), -1), layer.self_o), (keys, values)

    def _cross_attention(
        self, layer: _Layer, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor
    ) -> Tensor:
        attended = _attend(self._split(queries), keys, values, mask)
        return F.linear(attended.flatten(0, 1), layer.cross_o)

    def _split(self, flat: Tensor) -> Tensor:
        """(rows, length, heads * d_kv) as (rows, heads, length, d_kv)."""
        return flat.view(*flat.shape[:2], self._heads, self._d_kv).transpose(1, 2)


class _Layer:
    """The weights of one decoder block, those that are applied to one input joined into one matrix."""

    def __init__(self, block: Any) -> None:
        own, cross = block.layer[0].SelfAttention, block.layer[1].EncDecAttention
        dense = block.layer[2].DenseReluDense
        self.norms = [part.layer_norm for part in block.layer]
        self.self_qkv = torch.cat((own.q.weight, own.k.weight, own.v.weight)).detach()
        self.self_o = own.o.weight.detach()
        self.cross_q = cross.q.weight.detach()
        self.cross_kv = torch.cat((cross.k.weight, cross.v.weight)).detach()
        self.cross_o = cross.o.weight.detach()
        self.wi, self.wo = dense.wi.weight.detach(), dense.wo.weight.detach()


def _logsumexp(values: Tensor) -> Tensor:
    """log(sum(exp(values))) of each row, by powers of two: PyTorch's exp takes four times as long on AMD."""
    peak = values.amax(dim=1, keepdim=True)
    return peak[:, 0] + (values - peak).mul_(_LOG2_E).exp2_().sum(dim=1).log()


def _attend(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """T5's attention, whose products are not scaled.

    Args:
        queries: (rows, heads, n, d_kv).
        keys: (rows, heads, d_kv, length).
        values: (rows, heads, length, d_kv).
        bias: added to the products, broadcast to (rows, heads, n, length).

    Returns:
        (rows, n, heads * d_kv).
    """
    weights = torch.matmul(queries, keys).add_(bias).softmax(dim=-1)
    return torch.matmul(weights, values).transpose(1, 2).flatten(2)

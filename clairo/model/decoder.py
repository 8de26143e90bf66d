"""T5's encoder, and one step of its decoder for many beams, over the weights of transformers' model.

The model's own forward copies every row's cross-attention keys to each of its beams and pays for generality
at each step, which makes it many times slower for our short targets. Here the beams of a row share its keys.
Attention is written as products of batches of matrices: PyTorch's fused kernel is many times slower at these
sizes on a CPU. The network is that of Raffel et al. (JMLR 2020) as transformers computes it; a test holds the
two together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from clairo.model.network import output_scale

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import T5ForConditionalGeneration


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
        self._encoder = [_EncoderLayer(block) for block in model.encoder.block]
        self._layers = [_Layer(block) for block in model.decoder.block]
        bias = model.decoder.block[0].layer[0].SelfAttention.compute_bias(max_steps, max_steps)
        self._bias = bias.detach()  # (1, heads, max_steps, max_steps)
        self.output = model.lm_head.weight.detach()  # (model ids, d_model)

    def begin(self, input_ids: Tensor, mask: Tensor) -> DecoderState:
        """Encode the inputs, (rows, length) int64 ids and bool mask, and lay out their keys and values."""
        shut = torch.zeros_like(mask, dtype=self.output.dtype).masked_fill_(~mask, -torch.inf)
        shut = shut[:, None, None, :]
        encoded = self._encode(input_ids, shut)
        cross = []
        for layer in self._layers:
            keys, values = F.linear(encoded, layer.cross_kv).chunk(2, dim=-1)
            cross.append((self._split(keys).transpose(2, 3).contiguous(), self._split(values).contiguous()))
        return DecoderState(cross, shut)

    def _encode(self, input_ids: Tensor, shut: Tensor) -> Tensor:
        """The encoder's last hidden states, (rows, length, d_model); `shut` as the mask of `DecoderState`."""
        rows, length = input_ids.shape
        own = self._model.encoder.block[0].layer[0].SelfAttention
        bias = own.compute_bias(length, length).detach() + shut  # (rows, heads, length, length)
        hidden = F.embedding(input_ids, self._model.shared.weight)
        for layer in self._encoder:
            qkv = F.linear(_rms(hidden, layer.norms[0]), layer.qkv)
            query, keys, values = (self._split(part) for part in qkv.chunk(3, dim=-1))
            attended = _attend(query, keys.transpose(2, 3), values, bias)
            hidden = hidden + F.linear(attended.view(rows, length, -1), layer.o)
            inner = F.linear(_rms(hidden, layer.norms[1]), layer.wi).relu_()
            hidden = hidden + F.linear(inner, layer.wo)
        return _rms(hidden, self._model.encoder.final_layer_norm)

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
            attended, now = self._self_attention(layer, _rms(hidden, layer.norms[0]), earlier, state.steps)
            hidden = hidden + attended
            past.append(now)
            queries = F.linear(_rms(hidden, layer.norms[1]), layer.cross_q).view(rows, beams, -1)
            hidden = hidden + self._cross_attention(layer, queries, *state.cross[number], state.mask)
            inner = F.linear(_rms(hidden, layer.norms[2]), layer.wi).relu_()
            hidden = hidden + F.linear(inner, layer.wo)
        state.past = past
        state.steps += 1
        hidden = _rms(hidden, self._model.decoder.final_layer_norm) * self._scale
        return hidden.view(rows, beams, -1)

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


class _EncoderLayer:
    """The weights of one encoder block, those of queries, keys and values joined into one matrix."""

    def __init__(self, block: Any) -> None:
        own, dense = block.layer[0].SelfAttention, block.layer[1].DenseReluDense
        self.norms = [part.layer_norm for part in block.layer]
        self.qkv = torch.cat((own.q.weight, own.k.weight, own.v.weight)).detach()
        self.o = own.o.weight.detach()
        self.wi, self.wo = dense.wi.weight.detach(), dense.wo.weight.detach()


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


def _rms(hidden: Tensor, norm: Any) -> Tensor:
    """T5's layer norm: scaled to unit root mean square, no mean taken off, no bias."""
    return F.rms_norm(hidden, (hidden.shape[-1],), norm.weight, norm.variance_epsilon)

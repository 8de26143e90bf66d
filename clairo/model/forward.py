"""T5's forward pass over whole sequences, for training: the weights are those of transformers' model.

The network is that of Raffel et al. (JMLR 2020) as transformers computes it; a test holds the two together.
What is spared: matrices that read one input are multiplied at once, biases of positions and padding are added
up once for all layers, and the random bits of dropout come by the word instead of by the element.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from clairo.tokens import PAD

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import T5ForConditionalGeneration

_BITS = 16  # random bits behind each element's dropout


def encode(model: T5ForConditionalGeneration, ids: Tensor, mask: Tensor) -> Tensor:
    """The encoder's output, (rows, length, d_model), for the ids and the bool mask of histories.

    Dropout acts as long as the model is in training mode.

    Args:
        model: in training mode for dropout.
        ids: int64, (rows, length), or (rows, length, width) where a position holds several, PAD behind them.
        mask: (rows, length).
    """
    stack, rate = model.encoder, _rate(model)
    hidden = dropout(embed(ids, model.shared.weight), rate)
    bias = _position_bias(stack, ids.shape[1], bidirectional=True) + shut(mask, hidden.dtype)
    for block in stack.block:
        attention, dense = block.layer
        hidden = hidden + dropout(_self_attention(attention, hidden, bias, rate), rate)
        hidden = hidden + dropout(_dense(dense, hidden, rate), rate)
    return dropout(rms_norm(hidden, stack.final_layer_norm), rate)


def embed(ids: Tensor, weights: Tensor) -> Tensor:
    """What stands at each position, (rows, length, d_model): the embedding of its id.

    Of several ids it is the sum of their embeddings, over the root of how many there are, so that it is as
    long as one of them. Items as pooled embeddings of their codes are those of VQ-Rec (Hou et al., WWW 2023).
    """
    if ids.ndim == 2:
        return F.embedding(ids, weights)
    total = F.embedding_bag(ids.flatten(0, 1), weights, mode="sum", padding_idx=PAD)
    held = (ids != PAD).sum(dim=-1, keepdim=True).clamp(min=1)
    return total.view(*ids.shape[:2], -1) * held.to(total.dtype).rsqrt()


def decode(model: T5ForConditionalGeneration, ids: Tensor, encoded: Tensor, mask: Tensor) -> Tensor:
    """The decoder's states at every step, (rows, steps, d_model), not yet scaled for the output layer.

    Args:
        model: in training mode for dropout.
        ids: (rows, steps) int64, what the decoder reads.
        encoded: (rows, length, d_model) of `encode`.
        mask: (rows, length) bool of the encoder's input.
    """
    stack, rate = model.decoder, _rate(model)
    hidden = dropout(F.embedding(ids, model.shared.weight), rate)
    steps = ids.shape[1]
    later = torch.ones(steps, steps, dtype=torch.bool, device=ids.device).tril()
    own_bias = _position_bias(stack, steps, bidirectional=False) + shut(later[None, :, :], hidden.dtype)
    cross_bias = shut(mask, hidden.dtype)
    cross = _cross_keys_and_values(stack, encoded)
    for block, (keys, values) in zip(stack.block, cross, strict=True):
        own, across, dense = block.layer
        hidden = hidden + dropout(_self_attention(own, hidden, own_bias, rate), rate)
        hidden = hidden + dropout(_cross_attention(across, hidden, keys, values, cross_bias, rate), rate)
        hidden = hidden + dropout(_dense(dense, hidden, rate), rate)
    return dropout(rms_norm(hidden, stack.final_layer_norm), rate)


def rms_norm(hidden: Tensor, norm: Any) -> Tensor:
    """T5's layer norm: scaled to unit root mean square, no mean taken off, no bias."""
    return F.rms_norm(hidden, (hidden.shape[-1],), norm.weight, norm.variance_epsilon)


def shut(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """What bars attention where `mask`, (rows, length) or (rows, queries, length), is false."""
    bias = torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(~mask, -torch.inf)
    return bias[:, None] if bias.ndim == 3 else bias[:, None, None]


def dropout(values: Tensor, rate: float) -> Tensor:
    """Dropout (Srivastava et al., JMLR 2014): PyTorch's own on an accelerator, a much faster one on a CPU.

    PyTorch draws a number for every element on a CPU; here four elements share 64 random bits of the default
    generator, so that the rate is rounded to 1 / 65,536.
    """
    if rate == 0 or values.device.type != "cpu":
        return F.dropout(values, rate)
    shut = round(rate * (1 << _BITS))
    words = torch.empty(-(-values.numel() * _BITS // 64), dtype=torch.int64).random_(-(1 << 63), None)
    drawn = words.view(torch.int16)[: values.numel()].view(values.shape)
    kept = torch.empty(values.shape, dtype=values.dtype)
    torch.ge(drawn, shut - (1 << _BITS - 1), out=kept)
    return values * kept.mul_(1 / (1 - shut / (1 << _BITS)))


def _rate(model: T5ForConditionalGeneration) -> float:
    return float(model.config.dropout_rate) if model.training else 0.0


def _self_attention(layer: Any, hidden: Tensor, bias: Tensor, rate: float) -> Tensor:
    own = layer.SelfAttention
    weights = torch.cat((own.q.weight, own.k.weight, own.v.weight))
    parts = F.linear(rms_norm(hidden, layer.layer_norm), weights).chunk(3, dim=-1)
    query, keys, values = (_split(part, own.n_heads) for part in parts)
    return F.linear(_attend(query, keys, values, bias, rate), own.o.weight)


def _cross_attention(
    layer: Any, hidden: Tensor, keys: Tensor, values: Tensor, bias: Tensor, rate: float
) -> Tensor:
    across = layer.EncDecAttention
    query = _split(F.linear(rms_norm(hidden, layer.layer_norm), across.q.weight), across.n_heads)
    return F.linear(_attend(query, keys, values, bias, rate), across.o.weight)


def _cross_keys_and_values(stack: Any, encoded: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of the encoded input for every layer of the decoder, by one matrix product."""
    across = [block.layer[1].EncDecAttention for block in stack.block]
    weights = torch.cat([part.weight for one in across for part in (one.k, one.v)])
    parts = F.linear(encoded, weights).chunk(2 * len(across), dim=-1)
    split = [_split(part, across[0].n_heads) for part in parts]
    return list(zip(split[::2], split[1::2], strict=True))


def _dense(layer: Any, hidden: Tensor, rate: float) -> Tensor:
    dense = layer.DenseReluDense
    inner = F.relu(F.linear(rms_norm(hidden, layer.layer_norm), dense.wi.weight), inplace=True)
    return F.linear(dropout(inner, rate), dense.wo.weight)


def _attend(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor, rate: float) -> Tensor:
    """T5's attention: products are not scaled. (rows, heads, n, d_kv) to (rows, n, heads * d_kv)."""
    # At our sizes PyTorch's fused kernel takes several times as long on a CPU as two plain products.
    attention = _plain_attention if query.device.type == "cpu" else _fused_attention
    return attention(query, keys, values, bias, rate).transpose(1, 2).flatten(2)


def _plain_attention(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor, rate: float) -> Tensor:
    weights = (torch.matmul(query, keys.transpose(-1, -2)) + bias).softmax(dim=-1)
    return torch.matmul(dropout(weights, rate), values)


def _fused_attention(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor, rate: float) -> Tensor:
    return F.scaled_dot_product_attention(
        query, keys, values, attn_mask=bias.to(query.dtype), dropout_p=rate, scale=1.0
    )


def _split(flat: Tensor, heads: int) -> Tensor:
    """(rows, length, heads * d_kv) as (rows, heads, length, d_kv)."""
    return flat.view(*flat.shape[:-1], heads, -1).transpose(1, 2)


def _position_bias(stack: Any, length: int, *, bidirectional: bool) -> Tensor:
    """The learned bias of relative positions, (1, heads, length, length)."""
    own = stack.block[0].layer[0].SelfAttention
    weight: nn.Parameter = own.relative_attention_bias.weight
    buckets = _buckets(
        length, bidirectional, own.relative_attention_num_buckets, own.relative_attention_max_distance
    )
    return F.embedding(buckets.to(weight.device), weight).permute(2, 0, 1)[None]


@lru_cache(maxsize=512)
def _buckets(length: int, bidirectional: bool, buckets: int, furthest: int) -> Tensor:
    """Bucket of the distance from each query to each key, (length, length) int64."""
    from transformers.models.t5.modeling_t5 import T5Attention

    with torch.inference_mode(mode=False):  # what a search is the first to ask for, training uses too
        place = torch.arange(length)
        distance = place[None, :] - place[:, None]
        found: Tensor = T5Attention._relative_position_bucket(  # noqa: SLF001 - the definition of the weights
            distance, bidirectional=bidirectional, num_buckets=buckets, max_distance=furthest
        )
    return found

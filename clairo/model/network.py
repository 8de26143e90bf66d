"""The network: T5 as transformers builds it, small, with the ids of our tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import T5Config, T5ForConditionalGeneration

from clairo.model import forward
from clairo.tokens import END, IGNORED, PAD, START

if TYPE_CHECKING:
    from torch import Tensor


def build(
    *,
    n_model_ids: int,
    layers: int,
    d_model: int,
    d_ff: int,
    heads: int,
    d_kv: int,
    dropout: float,
    seed: int,
) -> T5ForConditionalGeneration:
    """A T5 encoder-decoder with random weights that depend on `seed` alone.

    ReLU feed-forward layers and an output layer tied to the embeddings, as the first T5 (Raffel et al., JMLR
    2020). The generator of PyTorch is left as it was.
    """
    config = T5Config(
        vocab_size=n_model_ids,
        d_model=d_model,
        d_kv=d_kv,
        d_ff=d_ff,
        num_layers=layers,
        num_decoder_layers=layers,
        num_heads=heads,
        dropout_rate=dropout,
        feed_forward_proj="relu",
        pad_token_id=PAD,
        eos_token_id=END,
        decoder_start_token_id=START,
        attn_implementation="sdpa",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return T5ForConditionalGeneration(config)


class Teacher(nn.Module):
    """The network under teacher forcing: a batch to its loss (see `clairo.model.loss`)."""

    def __init__(self, network: T5ForConditionalGeneration, loss: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.loss = loss

    def forward(self, ids: Tensor, mask: Tensor, labels: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            ids: (batch, length) or (batch, length, width) int64 model ids.
            mask: (batch, length) bool.
            labels: (batch, steps) int64 model ids, END last, -100 behind.
        """
        encoded = forward.encode(self.network, ids, mask)
        states = forward.decode(self.network, decoder_inputs(labels), encoded, mask)
        loss: Tensor = self.loss(states * output_scale(self.network), self.network.lm_head.weight, labels)
        return loss


def decoder_inputs(labels: Tensor) -> Tensor:
    """START, then all labels but the last; PAD where there is no label."""
    start = torch.full_like(labels[:, :1], START)
    return torch.cat((start, labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED, PAD)), dim=1)


def output_scale(network: T5ForConditionalGeneration) -> float:
    """What T5 scales the decoder's states by before the output layer, which is tied to the embeddings."""
    config = network.config
    return float(config.d_model**-0.5) if config.scale_decoder_outputs else 1.0


def parameter_groups(
    network: T5ForConditionalGeneration, weight_decay: float, embedding_rate: float = 1.0
) -> list[dict[str, Any]]:
    """Parameters for AdamW: matrices decay, norms and the biases of relative positions do not.

    Embeddings learn at `embedding_rate` times the rate of the rest (`rate` of their group), and decay as fast
    as the other matrices.
    """
    embeddings = network.shared.weight
    named = [(name, p) for name, p in network.named_parameters() if p is not embeddings]
    free = [p for name, p in named if p.ndim < 2 or "bias" in name]
    rest = [p for name, p in named if not (p.ndim < 2 or "bias" in name)]
    return [
        {"params": rest, "weight_decay": weight_decay, "rate": 1.0},
        {"params": [embeddings], "weight_decay": weight_decay / embedding_rate, "rate": embedding_rate},
        {"params": free, "weight_decay": 0.0, "rate": 1.0},
    ]

"""The network: T5 as transformers builds it, small, with the ids of our tokens."""

from __future__ import annotations

import torch
from transformers import T5Config, T5ForConditionalGeneration

from clairo.tokens import END, PAD, START


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

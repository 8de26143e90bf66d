"""Embeddings of items themselves, beside those of their codes: what codes that items share cannot say.

They start at zero and are read, never written: what is generated are codes, and an item that came after the
training, or that no history of it has, is read as its codes alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from transformers import T5ForConditionalGeneration

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import T5Config

_COUNT = "n_items"  # in the network's configuration


def empty(config: T5Config) -> T5ForConditionalGeneration:
    """The network of `config` with the weights that it starts with."""
    network = T5ForConditionalGeneration(config)
    if n_items := getattr(config, _COUNT, 0):
        network.item_embedding = nn.Embedding(n_items + 1, config.d_model, padding_idx=0)
        nn.init.zeros_(network.item_embedding.weight)
    return network


def table(network: T5ForConditionalGeneration) -> Tensor | None:
    """Embeddings of items, (n_items + 1, d_model), row 0 for none and always zero; None if there are none."""
    own = getattr(network, "item_embedding", None)
    return None if own is None else own.weight

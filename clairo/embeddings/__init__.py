"""Embeddings: one vector an item and modality, from texts and pictures."""

from clairo.embeddings.downloads import content, fetch, kept, located
from clairo.embeddings.stage import extend, inputs, make

__all__ = ["content", "extend", "fetch", "inputs", "kept", "located", "make"]

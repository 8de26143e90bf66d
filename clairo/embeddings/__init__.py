"""Embeddings: one vector an item and modality, from texts and pictures."""

from clairo.embeddings.stage import inputs, make

__all__ = ["inputs", "make"]

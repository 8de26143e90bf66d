"""Embeddings: one vector an item and modality, from texts and pictures."""

from clairo.embeddings.stage import extend, inputs, make

__all__ = ["extend", "inputs", "make"]

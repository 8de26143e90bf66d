"""Artefacts: what stages leave for one another, and how a folder of them is kept."""

from clairo.artifacts.codes import Codes
from clairo.artifacts.embedding import Embedding
from clairo.artifacts.sequences import Sequences

__all__ = ["Codes", "Embedding", "Sequences"]

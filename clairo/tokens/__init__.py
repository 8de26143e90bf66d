"""Tokens as the model sees them: its ids, padded batches of histories and targets, the trie of all items."""

from clairo.tokens.batches import IGNORED, encode_inputs, flat_rows, targets
from clairo.tokens.ids import END, OFFSET, PAD, START, n_model_ids
from clairo.tokens.reading import PERMUTED, Reading
from clairo.tokens.trie import Trie

__all__ = [
    "END",
    "IGNORED",
    "OFFSET",
    "PAD",
    "PERMUTED",
    "START",
    "Reading",
    "Trie",
    "encode_inputs",
    "flat_rows",
    "n_model_ids",
    "targets",
]

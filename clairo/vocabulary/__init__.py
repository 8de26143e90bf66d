"""The vocabulary: tokens for features, and merges of tokens that co-occur in and across actions."""

from clairo.vocabulary import scope
from clairo.vocabulary.corpus import Corpus
from clairo.vocabulary.encoder import Encoder
from clairo.vocabulary.stage import FILE, check_codes, expand, inputs, make
from clairo.vocabulary.table import Vocabulary

__all__ = ["FILE", "Corpus", "Encoder", "Vocabulary", "check_codes", "expand", "inputs", "make", "scope"]

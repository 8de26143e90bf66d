"""Sequences: users' histories in time order, filtered and split."""

from clairo.sequences.stage import inputs, make

__all__ = ["inputs", "make"]

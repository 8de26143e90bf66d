"""Codes: every item becomes a row of a few small integers, and no two rows are equal."""

from clairo.codes.added import extend
from clairo.codes.stage import inputs, make

__all__ = ["extend", "inputs", "make"]

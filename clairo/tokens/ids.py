"""The model's ids: three of its own, then the vocabulary's tokens, moved up by a fixed offset.

The ids of the model's own lie below all tokens, so that no id moves when the vocabulary grows.
"""

from typing import Final, Protocol

PAD: Final = 0
END: Final = 1
START: Final = 2
OFFSET: Final = 2
"""The model's id of token t is t + OFFSET. Token 0 is the vocabulary's padding and never occurs in a row, so
START, which would be its id, is free."""


class Sized(Protocol):
    """Anything that knows how many tokens it has, the padding token 0 included."""

    def __len__(self) -> int: ...


def n_model_ids(vocabulary: Sized) -> int:
    """How many ids a model for `vocabulary` has: its own three, and every token from 1 up."""
    return len(vocabulary) + OFFSET

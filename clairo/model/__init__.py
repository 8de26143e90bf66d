"""The generative model: trained to write the tokens of the next item, searched for the likeliest items."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clairo.model.stage import make
    from clairo.model.start import inputs

__all__ = ["inputs", "make"]

_LAZY = {"inputs": "clairo.model.start", "make": "clairo.model.stage"}


def __getattr__(name: str) -> Any:
    """Import what training needs only when it is asked for: who searches does without."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

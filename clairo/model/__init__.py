"""The generative model: trained to write the tokens of the next item, searched for the likeliest items."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clairo.model.stage import make
    from clairo.model.start import inputs
    from clairo.model.tracking import check as check_tracker

__all__ = ["check_tracker", "inputs", "make"]

_LAZY = {
    "check_tracker": ("clairo.model.tracking", "check"),
    "inputs": ("clairo.model.start", "inputs"),
    "make": ("clairo.model.stage", "make"),
}


def __getattr__(name: str) -> Any:
    """Import what training needs only when it is asked for: who searches does without."""
    if name in _LAZY:
        module, attribute = _LAZY[name]
        return getattr(import_module(module), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

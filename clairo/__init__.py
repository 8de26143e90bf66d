"""CLAIRO: recommends by generating the next item's tokens, made of text and image codes."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clairo.errors import ClairoError, ConfigError, InputError, VocabularyError

if TYPE_CHECKING:
    from clairo.adding import add
    from clairo.recommendations import Recommender
    from clairo.report import compare
    from clairo.vocabulary import Corpus, Vocabulary

__version__ = "0.1.0"
__all__ = [
    "ClairoError",
    "ConfigError",
    "Corpus",
    "InputError",
    "Recommender",
    "Vocabulary",
    "VocabularyError",
    "__version__",
    "add",
    "compare",
]

_LAZY = {
    "Corpus": "clairo.vocabulary",
    "Recommender": "clairo.recommendations",
    "Vocabulary": "clairo.vocabulary",
    "add": "clairo.adding",
    "compare": "clairo.report",
}


def __getattr__(name: str) -> Any:
    """Import the rooms with heavy libraries only when they are asked for."""
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

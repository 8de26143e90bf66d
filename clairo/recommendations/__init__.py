"""Recommendations: the model and its untrained rivals on all users, and recommending from a run."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from clairo.recommendations.recommender import Answer, Recommender

if TYPE_CHECKING:
    from clairo.recommendations.stage import make

__all__ = ["Answer", "Recommender", "make"]


def __getattr__(name: str) -> Any:
    """Import what the stage needs only when it is asked for: who recommends does without."""
    if name == "make":
        return import_module("clairo.recommendations.stage").make
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Recommendations: the model and its untrained rivals on all users, and recommending from a run."""

from clairo.recommendations.recommender import Answer, Recommender
from clairo.recommendations.stage import make

__all__ = ["Answer", "Recommender", "make"]

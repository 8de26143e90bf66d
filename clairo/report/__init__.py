"""Report: what a run reached beside its rivals, made from what its stages left."""

from clairo.report.comparison import METRICS, Comparison, Difference, compare, told
from clairo.report.stage import make

__all__ = ["METRICS", "Comparison", "Difference", "compare", "make", "told"]

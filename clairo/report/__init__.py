"""Report: what a run reached beside its rivals, made from what its stages left."""

from clairo.report.stage import make

__all__ = ["make"]

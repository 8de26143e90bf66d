"""Reviews: the published files, read as a stream into events and items."""

from clairo.reviews.stage import inputs, make

__all__ = ["inputs", "make"]

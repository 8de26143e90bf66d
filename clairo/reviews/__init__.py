"""Reviews: the published files, read as a stream into events and items."""

from clairo.reviews.stage import inputs, make, read_new

__all__ = ["inputs", "make", "read_new"]

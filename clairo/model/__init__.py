"""The generative model: trained to write the tokens of the next item, searched for the likeliest items."""

from clairo.model.stage import make
from clairo.model.start import inputs

__all__ = ["inputs", "make"]

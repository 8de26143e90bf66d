"""The generative model: trained to write the tokens of the next item, searched for the likeliest items."""

from clairo.model.stage import make
from clairo.model.start import inputs
from clairo.model.tracking import check as check_tracker

__all__ = ["check_tracker", "inputs", "make"]

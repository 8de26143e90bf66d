"""The generative model: trained to write the tokens of the next item, searched for the likeliest items."""

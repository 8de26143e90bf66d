"""What fits a linear item-to-item, whoever uses it."""

from typing import Annotated

from pydantic import Field

from clairo.config.section import Positive, Section, Share, Weight

Penalty = Annotated[float, Field(gt=0)]
"""Weight of the squares of the weights: the larger, the closer they stay to 0."""


class LinearFit(Section):
    """How the weights of `clairo.rivals.linear` are fitted."""

    past: Share = 0.3
    """Weight of an event that was read relative to the event after it, where the weights are fitted."""
    future: Share = 0.5
    """Weight of an event that comes relative to the event before it."""
    together: Weight = 1.0
    """How much all that a user bought, in whatever order, counts beside what came before what."""
    kept: Positive = 500
    """Weights an item keeps, those furthest from 0."""
    most_items: Positive = 10_000
    """Catalogues above it do without: fitting takes 16 bytes a pair of items, 1.6 GB for 10,000, and time
    with the cube of the items."""

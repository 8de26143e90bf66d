"""`[report]`."""

from clairo.config.section import Positive, Section, Share


class ReportConfig(Section):
    """`[report]`: metrics, slices, intervals and plots."""

    title: str = "CLAIRO"
    """Heading of the report."""
    tail_share: Share = 0.2
    """Events of training that the head items hold together are 1 minus this; all other items are the tail."""
    resamples: Positive = 1000
    """Bootstrap resamples of users behind the 95 % intervals."""

"""`[vocabulary]`."""

from pathlib import Path

from clairo.config.section import Positive, Section


class VocabularyConfig(Section):
    """`[vocabulary]`: merges of tokens that co-occur inside an action and across neighbours."""

    size: Positive = 40_000
    """Tokens, counting the initial ones and the padding token."""
    start_from: Path | None = None
    """A `vocabulary.json` with exact counts to expand to `size` instead of training afresh: its tokens keep
    their ids. The codes must mean what they meant there (see `codes.start_from`)."""
    across: bool = True
    """Merge tokens of neighbouring actions, too; otherwise those of one action alone, in the vocabulary and
    in the histories that the model reads."""
    threads: Positive | None = None
    """Threads; left out, all cores. The result never depends on it."""

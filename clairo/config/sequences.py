"""`[sequences]`."""

from datetime import date
from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from clairo.config.section import Natural, Positive, Section


class SequencesConfig(Section):
    """`[sequences]`: users' histories in time order, filtered and split."""

    source: Literal["reviews", "files"] = "reviews"
    """`reviews`: what the reviews stage made; `files`: ready histories that `histories` names."""
    histories: Path | None = None
    """`*.inter.json` (user to list of items) or `*.test.inter` (MQL4GRec) with dense ids."""
    user_ids: Path | None = None
    """Tab-separated original and dense user id, for `histories`; left out, dense ids are the ids."""
    item_ids: Path | None = None
    """Tab-separated original and dense item id, for `histories`."""
    items: Path | None = None
    """JSON of dense item id to its fields (`text`, `title`, ...), for `histories`."""
    min_user_events: Natural = 5
    """k of the k-core for users; the filter repeats until nothing more falls."""
    min_item_events: Natural = 5
    """k of the k-core for items."""
    need_image: bool = False
    """Keep only items that have an image."""
    repeats: Literal["keep", "first"] = "first"
    """Events of one user with one item: keep all, or the first only."""
    split: Literal["leave-one-out", "time"] = "leave-one-out"
    """Last event tests and the one before validates, or a split at two points of time."""
    validation_from: date | None = None
    """First day (UTC) of validation, for `split = "time"`."""
    test_from: date | None = None
    """First day (UTC) of test, for `split = "time"`."""
    max_history: Positive = 50
    """Longest history that any recommender reads: the latest events."""

    @model_validator(mode="after")
    def _days(self) -> Self:
        if self.split == "time":
            if self.validation_from is None or self.test_from is None:
                raise ValueError('split = "time" needs validation_from and test_from')
            if self.validation_from >= self.test_from:
                raise ValueError("validation_from must lie before test_from")
        return self

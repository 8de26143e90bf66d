"""`[reviews]`."""

from pathlib import Path
from typing import Literal

from clairo.config.section import Natural, Positive, Section, Share


class ShopConfig(Section):
    """`[reviews.shop]`: the built-in shop, written in the published raw format (see `clairo shop`)."""

    users: Positive = 3000
    """Shoppers that the shop has."""
    items: Positive = 1200
    """Items in its catalogue."""
    seed: Natural | None = None
    """Seed of the shop alone; left out, the run's seed is used."""
    dirty: Share = 0.03
    """Share of rows written as dirty as real ones are (duplicates, html, missing fields, odd types)."""


class ReviewsConfig(Section):
    """`[reviews]`: the published files, read as a stream."""

    source: Literal["files", "shop"] = "files"
    """`files`: what `reviews` and `metadata` name; `shop`: write the built-in shop first and read that."""
    reviews: Path | None = None
    """`<Category>_5.json.gz`, `<Category>.json.gz` or the ratings `.csv`, gzipped or plain."""
    metadata: Path | None = None
    """`meta_<Category>.json.gz` of either release; without it items have no text."""
    on_broken_line: Literal["error", "skip"] = "error"
    """What a line that is no JSON object does: stop and name file and line, or be skipped and counted."""
    shop: ShopConfig = ShopConfig()
    """Size and seed of the built-in shop."""

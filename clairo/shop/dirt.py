"""What is wrong with published files, done to a few rows on purpose.

Dirt takes words or a picture away or hides them; it never changes a theme, a look, a kind or a purchase.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo import rng
from clairo.shop.shoppers import Shoppers

Record = dict[str, Any]

_HTML_TITLE = '<span class="a-size-medium a-color-secondary"'
_SCRIPT_TITLE = "\n\n\n    var aPageStart = (new Date()).getTime();\n    ue.count('start', 1);\n\n"
_STYLE_PRICE = (
    ".a-box-inner{background-color:#fff}#buyBoxWidget .selected{border-width:1px;padding:0 10px}"
    "#buyBoxWidget .price{font-size:15px;line-height:1.3}.popover-tab a{text-decoration:none}"
)
_SCRIPT_PRICE = "\n\n\n<script type='text/javascript'>\nP.when('A').execute(function(A) { A.on(); });\n"


def _html_description(record: Record) -> None:
    body = "<br /><br /> ".join(record["description"])
    link = f'<a href="http://www.shop.example/gp/product/{record["asin"]}/ref=dp_cp">more of the kind</a>'
    record["description"] = [f'<div class="aplus"> <br>{body}<br/><br/> See {link}.<br> </div>']


def _no_image(record: Record) -> None:
    record["imageURL"], record["imageURLHighRes"] = [], []


def _rank_list(record: Record) -> None:
    head = record["rank"].removesuffix(" (")
    record["rank"] = [f">#{head} (See Top 100 in Hobbies & Leisure)", f">#14,507 in {record['category'][-1]}"]


def _entities(record: Record) -> None:
    record["title"] += " & More"
    for key in ("title", "brand", "main_cat"):
        record[key] = html.escape(record[key], quote=False)
    record["category"] = [html.escape(part, quote=False) for part in record["category"]]


def _newline_keys(record: Record) -> None:
    record["details"] = {
        "\n    Product Dimensions: \n    ": "3.4 x 2.1 inches ; 1.4 ounces",
        **record["details"],
    }


METADATA: Mapping[str, Callable[[Record], None]] = {
    "duplicated_asin": lambda _: None,
    "html_title": lambda record: record.update(title=_HTML_TITLE),
    "script_title": lambda record: record.update(title=_SCRIPT_TITLE),
    "missing_title": lambda record: record.pop("title"),
    "html_description": _html_description,
    "empty_description": lambda record: record.update(description=[]),
    "missing_description": lambda record: record.pop("description"),
    "missing_image": _no_image,
    "rank_list": _rank_list,
    "style_price": lambda record: record.update(price=_STYLE_PRICE),
    "script_price": lambda record: record.update(price=_SCRIPT_PRICE),
    "entities": _entities,
    "newline_keys": _newline_keys,
}
"""Kinds of dirty metadata. A duplicated ASIN is clean; its record stands again at the end of the file."""

REVIEWS = ("missing_text", "duplicated_review")
SAME_DAY = 1 / 3
"""Kinds of dirty reviews; this share of them is of a third kind, made before anything is bought: purchases on
the day of the purchase before."""


@dataclass(frozen=True, slots=True)
class ReviewDirt:
    """Dirty reviews.

    Attributes:
        no_text: the review of this purchase has no text, bool (n_events,).
        copied: purchases that are reviewed twice, int64 (n_copies,).
        copied_on: day of the second review, int32 (n_copies,): every other one that of the first review, with
            the same words; the others any day from the first review to the shopper's last purchase.
    """

    no_text: NDArray[np.bool_]
    copied: NDArray[np.int64]
    copied_on: NDArray[np.int32]


def deal(rows: int, share: float, kinds: Sequence[str], random: np.random.Generator) -> list[str | None]:
    """The kind of dirt of each row, or None for the clean ones.

    A share `share` of the rows is dirty, each kind equally often; if any is, then every kind occurs at least
    once as far as there are rows.
    """
    dirty = max(round(share * rows), min(len(kinds), rows)) if share > 0 else 0
    dealt: list[str | None] = [None] * rows
    for turn, row in enumerate(random.permutation(rows)[:dirty].tolist()):
        dealt[row] = kinds[turn % len(kinds)]
    return dealt


def review_dirt(shoppers: Shoppers, share: float, seed: int) -> ReviewDirt:
    """Which reviews are dirty; together they are a share `share` of the purchases."""
    random = rng.generator(seed, "shop", "dirty reviews")
    kinds = np.array([kind or "" for kind in deal(len(shoppers.days), share, REVIEWS, random)])
    copied = np.flatnonzero(kinds == "duplicated_review")
    day = shoppers.days[copied]
    last = shoppers.days[shoppers.offsets[np.searchsorted(shoppers.offsets, copied, side="right")] - 1]
    later = random.integers(day, last, endpoint=True)
    return ReviewDirt(
        no_text=kinds == "missing_text",
        copied=copied,
        copied_on=np.where(np.arange(len(copied)) % 2, later, day).astype(np.int32),
    )

"""The reviews as published: one a purchase, sorted by item and from the newest to the oldest within it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo import rng
from clairo.shop.catalogue import PERIOD
from clairo.shop.dirt import ReviewDirt
from clairo.shop.shoppers import Shoppers
from clairo.shop.truth import Truth
from clairo.shop.words import FIRST_NAMES, LAST_NAMES, REVIEWS, SIZES, SUMMARIES

Record = dict[str, Any]

FIRST_DAY = datetime(2013, 1, 1, tzinfo=UTC)
_RATINGS = (0.04, 0.05, 0.09, 0.19, 0.63)
_VERIFIED, _VOTED, _STYLED = 0.9, 0.07, 0.25


def unix_time(day: int) -> int:
    """Seconds since 1970 at the start (UTC) of a day of the shop."""
    return int((FIRST_DAY + timedelta(days=day)).timestamp())


class _Manners:
    """What a review says, drawn for every purchase: nothing of it depends on the item or on the shopper."""

    def __init__(self, n: int, random: np.random.Generator) -> None:
        self._rating = random.choice(5, size=n, p=_RATINGS).astype(np.uint8) + 1
        self._summary = random.integers(len(SUMMARIES), size=n, dtype=np.uint8)
        self._text = random.integers(len(REVIEWS), size=n, dtype=np.uint8)
        self._size = random.integers(len(SIZES), size=n, dtype=np.uint8)
        self._verified = random.random(n, dtype=np.float32) < _VERIFIED
        self._styled = random.random(n, dtype=np.float32) < _STYLED
        voted = random.random(n, dtype=np.float32) < _VOTED
        self._votes = np.where(voted, random.integers(2, 40, size=n), 0).astype(np.uint8)

    def record(self, row: int) -> Record:
        """The fields of review `row` that do not name item, shopper or day, in the published order."""
        votes = int(self._votes[row])
        return {
            "overall": float(self._rating[row]),
            **({"vote": str(votes)} if votes else {}),
            "verified": bool(self._verified[row]),
            "reviewTime": "",
            "reviewerID": "",
            "asin": "",
            **({"style": {"Size:": f" {SIZES[self._size[row]]}"}} if self._styled[row] else {}),
            "reviewerName": "",
            "reviewText": REVIEWS[self._text[row]],
            "summary": SUMMARIES[self._summary[row]],
            "unixReviewTime": 0,
        }


def records(truth: Truth, dirt: ReviewDirt, seed: int) -> Iterator[Record]:
    """The reviews in the order of the file: one a purchase, and the copies among them."""
    catalogue, shoppers, events = truth.catalogue, truth.shoppers, truth.events
    manners = _Manners(len(events), rng.generator(seed, "shop", "reviews"))
    event, day = _rows(shoppers, dirt)
    user = np.searchsorted(shoppers.offsets, event, side="right") - 1
    is_copy = np.arange(len(event)) >= len(events)
    days = [f"{date:%m} {date.day}, {date.year}" for date in map(_date, range(PERIOD))]
    for row in np.lexsort((is_copy, user, -day, events[event])):
        # A copy of another day has other words: those of the purchase after it.
        other = is_copy[row] and day[row] != shoppers.days[event[row]]
        record = manners.record((event[row] + other) % len(events))
        record["reviewTime"] = days[day[row]]
        record["reviewerID"] = str(shoppers.ids[user[row]])
        record["asin"] = str(catalogue.ids[events[event[row]]])
        record["reviewerName"] = _name(int(user[row]))
        record["unixReviewTime"] = unix_time(int(day[row]))
        if dirt.no_text[event[row]]:
            del record["reviewText"]
        yield record


def _rows(shoppers: Shoppers, dirt: ReviewDirt) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Purchase and day of every review: first one a purchase, then the copies."""
    event = np.concatenate([np.arange(len(shoppers.days)), dirt.copied])
    return event, np.concatenate([shoppers.days, dirt.copied_on])


def _date(day: int) -> datetime:
    return FIRST_DAY + timedelta(days=day)


def _name(user: int) -> str:
    return f"{FIRST_NAMES[user % len(FIRST_NAMES)]} {LAST_NAMES[user // len(FIRST_NAMES) % len(LAST_NAMES)]}"

"""Writing the shop to a folder."""

import gzip
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clairo import log, rng
from clairo.errors import InputError
from clairo.shop import dirt, metadata, reviews
from clairo.shop.about import describe, measure
from clairo.shop.catalogue import Catalogue, stock
from clairo.shop.looks import LOOKS, jpeg, paint
from clairo.shop.purchases import simulate
from clairo.shop.shoppers import SHORTEST, invite, same_day
from clairo.shop.truth import Truth
from clairo.shop.words import KINDS, THEMES

REVIEWS, METADATA, IMAGES, ABOUT = "Shop_5.json.gz", "meta_Shop.json.gz", "images", "shop.json"
FEWEST_ITEMS = 2 * SHORTEST
Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ShopFiles:
    """Where the shop lies.

    Attributes:
        reviews: `Shop_5.json.gz`.
        metadata: `meta_Shop.json.gz`.
        images: folder of `<asin>.jpg`.
        truth: `truth.npz` (see `clairo.shop.Truth`).
        about: `shop.json`: sizes, counts of dirt, and what is planted, in words.
    """

    reviews: Path
    metadata: Path
    images: Path
    truth: Path
    about: Path


def write_shop(
    folder: Path, *, users: int, items: int, seed: int, dirty: float, broken_lines: int = 0
) -> ShopFiles:
    """Write a built-in shop into `folder`: equal arguments, equal bytes.

    Args:
        folder: empty or missing.
        users: shoppers, each with five or more purchases.
        items: ASINs in the catalogue, ten or more.
        seed: the one seed of the shop.
        dirty: share of the reviews, and of the metadata records, that is dirty (see `clairo.shop.dirt`).
        broken_lines: lines more in either file that are cut in the middle and so are no JSON.

    Raises:
        InputError: an argument out of range, or a folder that holds something.
    """
    _check(folder, users=users, items=items, dirty=dirty, broken_lines=broken_lines)
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    catalogue = stock(items, seed)
    shoppers = invite(users, catalogue, seed=seed, ties=dirty * dirt.SAME_DAY)
    truth = Truth(catalogue, shoppers, simulate(catalogue, shoppers, seed))
    counts = {
        "metadata": _write_metadata(folder, catalogue, seed=seed, dirty=dirty, broken=broken_lines),
        "reviews": _write_reviews(folder, truth, seed=seed, dirty=dirty, broken=broken_lines),
    }
    about = {
        "about": describe().splitlines(),
        "seed": seed,
        "users": users,
        "items": items,
        "purchases": len(truth.events),
        "planted": measure(truth),
        "dirty": dirty,
        "dirt": counts,
        "themes": [theme.name for theme in THEMES],
        "looks": [look.name for look in LOOKS],
        "kinds": [kind.name for kind in KINDS],
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return ShopFiles(
        reviews=folder / REVIEWS,
        metadata=folder / METADATA,
        images=folder / IMAGES,
        truth=truth.save(folder),
        about=folder / ABOUT,
    )


def _check(folder: Path, *, users: int, items: int, dirty: float, broken_lines: int) -> None:
    if users < 1:
        raise InputError(f"users = {users}: a shop needs at least one user")
    if items < FEWEST_ITEMS:
        raise InputError(f"items = {items}: a shop needs at least {FEWEST_ITEMS} items")
    if not 0 <= dirty <= 1:
        raise InputError(f"dirty = {dirty}: a share lies between 0 and 1")
    if broken_lines < 0:
        raise InputError(f"broken_lines = {broken_lines}: a number of lines is not negative")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is not an empty folder", hint="name a folder that is empty or missing")


def _write_metadata(
    folder: Path, catalogue: Catalogue, *, seed: int, dirty: float, broken: int
) -> dict[str, int]:
    """Write metadata and pictures; returns the count of each kind of dirt."""
    random = rng.generator(seed, "shop", "dirty metadata")
    kinds = dirt.deal(len(catalogue), dirty, tuple(dirt.METADATA), random)
    counts = {kind: kinds.count(kind) for kind in dirt.METADATA}
    with log.step("shop: metadata and pictures", total=len(catalogue)) as step:

        def soiled() -> Iterator[Record]:
            again = []
            for row, (record, kind) in enumerate(zip(metadata.records(catalogue, seed), kinds, strict=True)):
                if kind is not None:
                    dirt.METADATA[kind](record)
                if kind == "duplicated_asin":
                    again.append(record)
                if record["imageURL"]:
                    _write_picture(folder, record["asin"], int(catalogue.look[row]), seed)
                step.advance()
                yield record
            yield from again

        _write_lines(folder / METADATA, soiled(), len(catalogue) + counts["duplicated_asin"], broken)
    return {**counts, "broken_lines": broken}


def _write_picture(folder: Path, asin: str, look: int, seed: int) -> None:
    picture = paint(LOOKS[look], rng.generator(seed, "shop", "picture", asin))
    (folder / IMAGES / f"{asin}.jpg").write_bytes(jpeg(picture))


def _write_reviews(folder: Path, truth: Truth, *, seed: int, dirty: float, broken: int) -> dict[str, int]:
    """Write the reviews; returns the count of each kind of dirt."""
    soiled = dirt.review_dirt(truth.shoppers, dirty * (1 - dirt.SAME_DAY), seed)
    total = len(truth.events) + len(soiled.copied)
    with log.step("shop: reviews", total=total) as step:

        def counted() -> Iterator[Record]:
            for record in reviews.records(truth, soiled, seed):
                step.advance()
                yield record

        _write_lines(folder / REVIEWS, counted(), total, broken)
    return {
        "missing_text": int(soiled.no_text.sum()),
        "duplicated_review": len(soiled.copied),
        "same_day": int(same_day(truth.shoppers).sum()),
        "broken_lines": broken,
    }


def _write_lines(path: Path, records: Iterator[Record], total: int, broken: int) -> None:
    """JSON lines, gzipped without a time; `broken` halves of lines stand among them, evenly spread."""
    breaks = Counter((turn + 1) * total // (broken + 1) for turn in range(broken))
    with (
        path.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
        io.BufferedWriter(packed, 1 << 16) as file,
    ):
        for row, record in enumerate(records):
            line = json.dumps(record).encode()
            file.write((line[: len(line) // 2] + b"\n") * breaks[row])
            file.write(line + b"\n")

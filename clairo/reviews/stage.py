"""The reviews stage: raw files in, `events.parquet` and `items.parquet` out."""

import shutil
from pathlib import Path
from typing import Any

from clairo.artifacts import store
from clairo.config import ReviewsConfig, ShopConfig
from clairo.errors import InputError
from clairo.log import logger

SHOP = "shop"


def inputs(cfg: ReviewsConfig) -> list[Path]:
    """The raw files that the stage reads; none for the built-in shop.

    Raises:
        InputError: no reviews are set, or a file is not there.
    """
    if cfg.source == "shop":
        return []
    if cfg.reviews is None:
        raise InputError(
            "no reviews to read: reviews.reviews is not set",
            hint="set reviews.reviews to <Category>_5.json.gz and reviews.metadata to "
            'meta_<Category>.json.gz, or reviews.source to "shop"',
        )
    files = [_file("reviews.reviews", cfg.reviews)]
    return files if cfg.metadata is None else [*files, _file("reviews.metadata", cfg.metadata)]


def make(cfg: ReviewsConfig, *, out: Path, seed: int) -> dict[str, Any]:
    """Write `events.parquet`, `items.parquet` and `report.json` to `out`, and `shop/` for the built-in shop.

    The files are read as streams: memory grows by 16 bytes an event, and by the ids of the items.

    Returns:
        The report: `reviews` and `metadata` (rows read, rows left out, every kind of dirt), `items` (fields
        that items lack after cleaning).

    Raises:
        InputError: a file is missing, damaged, broken (the line is named), or holds no event.
    """
    from clairo.reviews import events, metadata

    files = _shop(cfg.shop, out / SHOP, seed) if cfg.source == "shop" else inputs(cfg)
    skip = cfg.on_broken_line == "skip"
    found = events.write(files[0], out, skip=skip)
    about = metadata.write(files[1] if len(files) > 1 else None, found.items, out, skip=skip)
    report = {"source": cfg.source, "reviews": found.report, **about}
    _say(report)
    store.write_json(out / "report.json", report)
    return report


def read_new(metadata: Path | None, reviews: Path | None, *, out: Path, skip: bool) -> dict[str, Any]:
    """Write all items of `metadata` and all events of `reviews` to `out`, cleaned as by `make`.

    `events.parquet` and `items.parquet` appear for the files that are given; `report.json` counts the dirt.

    Raises:
        InputError: a file is missing, damaged or broken (the line is named), or holds no row.
    """
    from clairo.reviews import events
    from clairo.reviews import metadata as about

    report: dict[str, Any] = {"source": "added"}
    if reviews is not None:
        report["reviews"] = events.write(_file("--reviews", reviews), out, skip=skip).report
    if metadata is not None:
        report |= about.write(_file("--metadata", metadata), None, out, skip=skip)
    store.write_json(out / "report.json", report)
    return report


def _shop(cfg: ShopConfig, folder: Path, seed: int) -> list[Path]:
    from clairo.shop import write_shop

    shutil.rmtree(folder, ignore_errors=True)  # half a shop, of an attempt that was stopped
    shop_seed = seed if cfg.seed is None else cfg.seed
    shop = write_shop(folder, users=cfg.users, items=cfg.items, seed=shop_seed, dirty=cfg.dirty)
    return [shop.reviews, shop.metadata]


def _file(option: str, path: Path) -> Path:
    if path.is_dir():
        raise InputError(f"{option} = {path} is a folder, not a file")
    if not path.is_file():
        raise InputError(
            f"{option}: there is no file {path}", hint="check the path, relative to its configuration"
        )
    return path


def _say(report: dict[str, Any]) -> None:
    reviews, items = report["reviews"], report["items"]
    logger.info(
        "%d events of %d users with %d items", *(reviews[name] for name in ("events", "users", "items"))
    )
    left_out = reviews["rows"] + reviews["broken_lines"] - reviews["events"]
    if left_out:
        logger.warning("%d lines of %s were left out", left_out, reviews["file"])
    if report["metadata"] is not None and items["without_metadata"]:
        logger.warning("%d of %d items have no metadata", items["without_metadata"], items["items"])

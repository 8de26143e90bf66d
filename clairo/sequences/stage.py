"""The sequences stage: events in, every user's history and its split out."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import Sequences, store
from clairo.config import SequencesConfig
from clairo.errors import InputError
from clairo.log import logger
from clairo.sequences.assemble import assemble, users_with_ties
from clairo.sequences.events import Events, first_of_pairs, k_core

if TYPE_CHECKING:
    import polars as pl

_OPTIONS = ("histories", "user_ids", "item_ids", "items")


def inputs(cfg: SequencesConfig) -> list[Path]:
    """The files that `source = "files"` reads; none for `reviews`.

    Raises:
        InputError: no histories are set, or a file is not there.
    """
    if cfg.source == "reviews":
        return []
    if cfg.histories is None:
        raise InputError(
            "no histories to read: sequences.histories is not set",
            hint="set it to a `*.inter.json` or a `*.test.inter`, and sequences.item_ids to the file that "
            "gives its items their names",
        )
    named = {f"sequences.{name}": getattr(cfg, name) for name in _OPTIONS}
    return [_file(option, path) for option, path in named.items() if path is not None]


def make(cfg: SequencesConfig, *, reviews: Path | None, out: Path, seed: int) -> dict[str, Any]:
    """Write `sequences.npz`, `items.parquet` and `report.json` into `out`.

    Filters, in this order: repeats, items without image, the k-core. Events of a user stand in time order;
    equal times keep the order of the published file. Users and items are sorted by original id, or by dense
    id for ready files, and each has an event: the catalogue is what was chosen at least once.

    Leave-one-out: a user of two events has a test target but none for validation, a user of one event only
    trains. Time: a user's target is the first event of a period, if there is any event before it.

    Args:
        cfg: the section.
        reviews: folder of the reviews stage, for `source = "reviews"`.
        out: folder to write to.
        seed: unused, nothing here is random.

    Returns:
        The report: users, items and events before and after each filter, the split, ties.

    Raises:
        InputError: a file is missing or damaged, or nothing is left to train and test on.
    """
    del seed
    events, table = _read(cfg, reviews)
    report: dict[str, Any] = {"source": cfg.source, "read": events.counts(), "without_event": _unused(events)}
    events, rows = _filtered(events, table, cfg, report).compact()
    if not len(events) or len(events.items) < 2:
        raise _nothing_left(len(events), cfg, report)
    sequences = assemble(events, days=days_of(cfg), max_history=cfg.max_history)
    report |= {
        "after": events.counts(),
        "split": split_summary(sequences, cfg),
        "ties": ties_summary(sequences),
    }
    _check(sequences)
    sequences.save(out)
    _write_items(table, rows, sequences, out)
    store.write_json(out / "report.json", report)
    logger.info("%(users)d users, %(items)d items and %(events)d events are left", report["after"])
    return report


def _file(option: str, path: Path) -> Path:
    if path.is_dir():
        raise InputError(f"{option} = {path} is a folder, not a file")
    if not path.is_file():
        raise InputError(f"{option}: there is no file {path}", hint="check the path")
    return path


def days_of(cfg: SequencesConfig) -> tuple[date, date] | None:
    """First days of validation and of test; None for leave-one-out."""
    if cfg.split != "time" or cfg.validation_from is None or cfg.test_from is None:
        return None  # a split by time without its days is refused by the configuration
    return cfg.validation_from, cfg.test_from


def _read(cfg: SequencesConfig, reviews: Path | None) -> "tuple[Events, pl.DataFrame]":
    from clairo.sequences import raw, ready, ready_items

    if cfg.source == "reviews":
        if reviews is None:
            raise InputError('sequences.source = "reviews" needs the folder of the reviews stage')
        return raw.read(reviews)
    histories = inputs(cfg)[0]
    events, dense = ready.read(histories, cfg.user_ids, cfg.item_ids)
    return events, ready_items.read(cfg.items, events.items, dense)


def _unused(events: Events) -> dict[str, int]:
    """Ids that are named somewhere but have no event, and so are left out."""
    counts = events.counts()
    return {"users": len(events.users) - counts["users"], "items": len(events.items) - counts["items"]}


def _filtered(events: Events, table: "pl.DataFrame", cfg: SequencesConfig, report: dict[str, Any]) -> Events:
    if cfg.repeats == "first":
        events = _keep(events, first_of_pairs(events), "repeats", report)
    if cfg.need_image:
        events = _keep(events, pictured(table)[events.item], "need_image", report)
    marks, rounds = k_core(events, cfg.min_user_events, cfg.min_item_events)
    events = _keep(events, marks, "k_core", report)
    report["k_core"]["rounds"] = rounds
    return events


def _keep(events: Events, marks: NDArray[np.bool_], name: str, report: dict[str, Any]) -> Events:
    kept = events.keep(marks)
    report[name] = {**kept.counts(), "dropped": len(events) - len(kept)}
    return kept


def pictured(table: "pl.DataFrame") -> NDArray[np.bool_]:
    """Which items of a table have an address of an image, (n_items,)."""
    return table["image_urls"].list.len().fill_null(0).to_numpy() > 0


def _nothing_left(n_events: int, cfg: SequencesConfig, report: dict[str, Any]) -> InputError:
    read = "{events} events of {users} users and {items} items".format_map(report["read"])
    what = "one item is" if n_events else "no event is"
    cores = f"min_user_events = {cfg.min_user_events} and min_item_events = {cfg.min_item_events}"
    if cfg.need_image and not report["need_image"]["events"]:
        hint = "no item has image addresses: set sequences.need_image = false"
    else:
        hint = "lower sequences.min_user_events and sequences.min_item_events, or take more data"
    return InputError(
        f"{what} left of {read} ({cores})",
        hint=hint,
    )


def split_summary(sequences: Sequences, cfg: SequencesConfig) -> dict[str, Any]:
    """How many train, validate and test."""
    lengths = np.diff(sequences.offsets)
    return {
        "kind": cfg.split,
        "training_events": int(sequences.train_end.sum()),
        "training_items": int(sequences.training_items().sum()),
        "training_users": int((sequences.train_end > 0).sum()),
        "validation_users": int((sequences.validation >= 0).sum()),
        "test_users": int((sequences.test >= 0).sum()),
        "users_of_one_event": int((lengths == 1).sum()),
        "users_of_two_events": int((lengths == 2).sum()),
        "longest_history": int(lengths.max()),
    }


def ties_summary(sequences: Sequences) -> dict[str, Any]:
    """How many users have events of equal time."""
    return {
        "times_known": bool((sequences.times >= 0).all()),
        "users_with_ties": users_with_ties(sequences.offsets, sequences.times),
        "users_whose_last_event_ties": int(sequences.ties.sum()),
    }


def _check(sequences: Sequences) -> None:
    if not sequences.train_end.any():
        raise InputError("no event is left to train on", hint="move sequences.validation_from to a later day")
    for split in ("validation", "test"):
        if not (getattr(sequences, split) >= 0).any():
            raise InputError(
                f"no user has a {split} target",
                hint='split = "leave-one-out" needs users of three events, split = "time" users with events '
                f"before and after sequences.{split}_from",
            )


def _write_items(table: "pl.DataFrame", rows: NDArray[np.int64], sequences: Sequences, out: Path) -> None:
    import polars as pl

    counts = np.bincount(sequences.training()[1], minlength=sequences.n_items).astype(np.uint32)
    table[rows].with_columns(pl.Series("train_events", counts)).write_parquet(out / "items.parquet")

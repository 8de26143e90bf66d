"""The sequences stage: events in, every user's history and its split out."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clairo.artifacts import Sequences, store
from clairo.config import SequencesConfig
from clairo.errors import InputError
from clairo.log import logger
from clairo.sequences import ready, split
from clairo.sequences.events import Events, first_of_pairs, k_core


def inputs(cfg: SequencesConfig) -> list[Path]:
    """The files of the door `source = "files"`; none otherwise.

    Raises:
        InputError: no histories are set, or a file is not there.
    """
    if cfg.source == "reviews":
        return []
    if cfg.histories is None:
        raise InputError('sequences.source = "files" needs sequences.histories')
    named = {name: getattr(cfg, name) for name in ("histories", "user_ids", "item_ids", "items")}
    for name, path in named.items():
        if path is not None and not path.is_file():
            raise InputError(f"sequences.{name}: there is no file {path}")
    return [path for path in named.values() if path is not None]


def make(cfg: SequencesConfig, *, reviews: Path | None, out: Path, seed: int) -> dict[str, Any]:
    """Write `sequences.npz`, `items.parquet` and `report.json` into `out`.

    Order: repeats are dropped first, then items without image, then the k-core repeats until it is stable.
    Users and items are numbered in the order of their original ids, or of their dense ids for ready files.
    Nothing here is random: `seed` is taken because every stage takes it.

    Raises:
        InputError: a file is damaged, or nothing is left to train and test on.
    """
    del seed
    if cfg.source == "files":
        assert cfg.histories is not None  # noqa: S101 - `inputs` has refused this
        events, users, items = ready.read(cfg.histories, cfg.user_ids, cfg.item_ids)
        table = ready.item_table(cfg.items, items)
    else:
        assert reviews is not None  # noqa: S101 - the pipeline brings it with this source
        events, users, items, table = _from_reviews(reviews)
    report: dict[str, Any] = {"before": _counts(events)}
    events = _filtered(events, table, cfg, report)
    user_rows, events = _renumber(events, "user")
    item_rows, events = _renumber(events, "item")
    sequences = _assemble(events.in_order(), users[user_rows], items[item_rows], cfg)
    report |= {"after": _counts(events), **_split_counts(sequences)}
    _check(sequences, cfg)
    sequences.save(out)
    train_events = np.bincount(sequences.training()[1], minlength=sequences.n_items).astype(np.uint32)
    table[item_rows].with_columns(pl.Series("train_events", train_events)).write_parquet(
        out / "items.parquet"
    )
    store.write_json(out / "report.json", report)
    counts = report["after"]
    logger.info("%(events)d events of %(users)d users with %(items)d items are left", counts)
    return report


def _from_reviews(folder: Path) -> tuple[Events, NDArray[np.str_], NDArray[np.str_], pl.DataFrame]:
    frame = pl.read_parquet(folder / "events.parquet", columns=["user", "item", "time", "row"]).sort("row")
    table = pl.read_parquet(folder / "items.parquet").sort("item")
    users, items = frame["user"].unique().sort(), table["item"]
    events = Events(
        _index(frame["user"], users), _index(frame["item"], items), frame["time"].fill_null(-1).to_numpy()
    )
    return events, users.to_numpy().astype(np.str_), items.to_numpy().astype(np.str_), table


def _index(values: pl.Series, among: pl.Series) -> NDArray[np.int64]:
    """Position of each value in `among`, whose values differ."""
    return values.replace_strict(among, pl.arange(len(among), eager=True), return_dtype=pl.Int64).to_numpy()


def _filtered(events: Events, table: pl.DataFrame, cfg: SequencesConfig, report: dict[str, Any]) -> Events:
    if cfg.repeats == "first":
        kept = first_of_pairs(events)
        report["repeats_dropped"] = int(len(kept) - kept.sum())
        events = events.keep(kept)
    if cfg.need_image:
        pictured = _has_image(table)
        kept = pictured[events.item]
        report["without_image"] = {"items": int((~pictured).sum()), "events": int((~kept).sum())}
        events = events.keep(kept)
    kept = k_core(events, cfg.min_user_events, cfg.min_item_events)
    report["k_core"] = {"events_dropped": int(len(kept) - kept.sum())}
    return events.keep(kept)


def _has_image(table: pl.DataFrame) -> NDArray[np.bool_]:
    if "image_urls" not in table.columns:
        raise InputError(
            "sequences.need_image = true, but these items carry no image addresses",
            hint="leave need_image out for ready files",
        )
    return (table["image_urls"].list.len().fill_null(0) > 0).to_numpy()


def _renumber(events: Events, what: str) -> tuple[NDArray[np.int64], Events]:
    """Old indices that still occur, and the events with indices among those."""
    rows, index = np.unique(getattr(events, what), return_inverse=True)
    fields = {"user": events.user, "item": events.item, "time": events.time, what: index}
    return rows, Events(**fields)


def _assemble(
    events: Events, users: NDArray[np.str_], items: NDArray[np.str_], cfg: SequencesConfig
) -> Sequences:
    lengths = np.bincount(events.user, minlength=len(users))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    if cfg.split == "time":
        if (events.time < 0).any():
            raise InputError('sequences.split = "time" needs times, which some of these events lack')
        cut = split.by_time(offsets, events.time, _seconds(cfg.validation_from), _seconds(cfg.test_from))
    else:
        cut = split.leave_one_out(lengths)
    return Sequences(
        items=items,
        users=users,
        offsets=offsets,
        events=events.item.astype(np.uint32),
        times=events.time,
        train_end=cut.train_end,
        validation=cut.validation,
        test=cut.test,
        ties=_last_ties(offsets, events.time),
        max_history=cfg.max_history,
    )


def _seconds(day: date | None) -> int:
    assert day is not None  # noqa: S101 - the configuration has refused this
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _last_ties(offsets: NDArray[np.int64], times: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a user's last event has the time, if that is known, of the event before it."""
    ties = np.zeros(len(offsets) - 1, dtype=np.bool_)
    two = np.flatnonzero(np.diff(offsets) >= 2)
    last = offsets[1:][two] - 1
    ties[two] = (times[last] == times[last - 1]) & (times[last] >= 0)
    return ties


def _counts(events: Events) -> dict[str, int]:
    return {
        "events": len(events),
        "users": len(np.unique(events.user)),
        "items": len(np.unique(events.item)),
    }


def _split_counts(sequences: Sequences) -> dict[str, Any]:
    return {
        "training_events": int(sequences.train_end.sum()),
        "training_items": int(sequences.training_items().sum()),
        "validation_users": int((sequences.validation >= 0).sum()),
        "test_users": int((sequences.test >= 0).sum()),
        "last_event_ties": int(sequences.ties.sum()),
        "times_known": bool((sequences.times >= 0).all()),
    }


def _check(sequences: Sequences, cfg: SequencesConfig) -> None:
    cores = f"min_user_events = {cfg.min_user_events}, min_item_events = {cfg.min_item_events}"
    if not len(sequences.events):
        raise InputError(
            f"no events are left of these reviews ({cores})",
            hint="lower sequences.min_user_events or sequences.min_item_events",
        )
    if sequences.n_items < 2:
        raise InputError(f"a catalogue of one item leaves nothing to recommend ({cores})")
    if not (sequences.validation >= 0).any() or not (sequences.test >= 0).any():
        raise InputError(
            "no user has a validation and a test event",
            hint='split = "leave-one-out" needs users of three events; split = "time" events in both periods',
        )
    if not sequences.train_end.any():
        raise InputError("no event is left to train on", hint="move sequences.validation_from to a later day")

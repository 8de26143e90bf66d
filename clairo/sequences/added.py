"""New items and events behind those of a run: its rows keep their numbers, and training stays what it was."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from clairo.artifacts import Sequences, store
from clairo.config import SequencesConfig
from clairo.errors import InputError
from clairo.sequences import raw
from clairo.sequences.assemble import cut, last_ties
from clairo.sequences.events import Events, first_of_pairs
from clairo.sequences.stage import days_of, pictured, split_summary, ties_summary

Counts = dict[str, int]


def extend(cfg: SequencesConfig, *, old: Path, reviews: Path, out: Path) -> dict[str, Any]:
    """Write `sequences.npz`, `items.parquet` and `report.json`: those of `old`, and what `reviews` has more.

    New items come behind the old ones, and new users too, both sorted by original id. No event is taken into
    training: each user's training events stay the same, and behind them old and new events stand in time
    order. Targets are set anew by the rule of the section: the last event tests, be it new, or the first of
    a period. `repeats` and `need_image` hold for what is new; the k-core is not asked again.

    Args:
        cfg: the section of the run.
        old: folder of the sequences stage of the run that is added to.
        reviews: folder that `clairo.reviews.read_new` wrote.
        out: folder to write to.

    Returns:
        The report; `added` counts what came in and what was left out.

    Raises:
        InputError: a file is missing or damaged, or holds nothing that can be added.
    """
    before, added = Sequences.load(old), Counts()
    table = _new_items(reviews, before, cfg, added)
    ids = [*before.items.tolist(), *table["item"].to_list()]
    events = _new_events(reviews, before, np.array(ids, dtype=np.str_), cfg, added)
    if not table.height and not len(events):
        counts = ", ".join(f"{name.replace('_', ' ')}: {n}" for name, n in added.items())
        raise InputError(f"nothing in these files can be added ({counts})")
    sequences = _joined(before, events, cfg, added)
    sequences.save(out)
    new = table.with_columns(pl.lit(0, pl.UInt32).alias("train_events"))
    pl.concat([raw.items_of(old), new], how="diagonal_relaxed").write_parquet(out / raw.ITEMS)
    report = {"added": added, "split": split_summary(sequences, cfg), "ties": ties_summary(sequences)}
    store.write_json(out / "report.json", report)
    return report


def _new_items(reviews: Path, before: Sequences, cfg: SequencesConfig, added: Counts) -> pl.DataFrame:
    """The table of the items that the run does not have, sorted by id."""
    if not (reviews / raw.ITEMS).is_file():
        return pl.DataFrame(schema={"item": pl.String})
    table = raw.items_of(reviews)
    new = table.filter(~pl.col("item").is_in(before.items.tolist())).sort("item")
    added["items_known_already"] = table.height - new.height
    if cfg.need_image:
        added["items_without_image"] = int((~pictured(new)).sum())
        new = new.filter(pictured(new))
    added["items"] = new.height
    return new


def _new_events(
    reviews: Path, before: Sequences, items: NDArray[np.str_], cfg: SequencesConfig, added: Counts
) -> Events:
    """The new events of known items, in the order of the file; new users stand behind the old ones."""
    if not (reviews / raw.EVENTS).is_file():
        nothing = np.zeros(0, dtype=np.int64)
        return Events(nothing, nothing, nothing, before.users, items)
    frame = raw.events_of(reviews)
    known = frame.filter(pl.col("item").is_in(items.tolist()))
    added["events_of_unknown_items"] = frame.height - known.height
    old_users = before.users.tolist()
    new_users = sorted(set(known["user"].to_list()) - set(old_users))
    users = np.array([*old_users, *new_users], dtype=np.str_)
    events = Events(
        user=raw.index(known["user"], pl.Series(users.tolist(), dtype=pl.String)),
        item=raw.index(known["item"], pl.Series(items.tolist(), dtype=pl.String)),
        time=known["time"].to_numpy(),
        users=users,
        items=items,
    )
    if cfg.repeats == "first":
        kept = _first(events, before)
        added["events_repeated"] = len(events) - len(kept)
        events = kept
    return events


def _first(events: Events, before: Sequences) -> Events:
    """The first of each (user, item) pair; one that the run has counts as the first, whatever its time."""
    events = events.keep(first_of_pairs(events))
    n_items = len(events.items)
    held = before.owners * n_items + before.events
    return events.keep(~np.isin(events.user * n_items + events.item, held))


def _joined(before: Sequences, new: Events, cfg: SequencesConfig, added: Counts) -> Sequences:
    """Old and new events, each user's training events first and the others behind them by time."""
    position = np.arange(len(before.events)) - before.offsets[before.owners]
    in_training = position < before.train_end[before.owners]
    user = np.concatenate([before.owners, new.user])
    time = np.concatenate([before.times, new.time])
    later = np.concatenate([~in_training, np.ones(len(new), dtype=np.bool_)])
    # Training events all keep their order: they sort by nothing but where they stand.
    order = np.lexsort((np.where(later, time, 0), later, user))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=len(new.users)))])
    n_new_users = len(new.users) - before.n_users
    found = cut(offsets, time[order], days_of(cfg))
    added |= {"events": len(new), "users": n_new_users, "events_before_training_ends": _late(before, new)}
    return Sequences(
        items=new.items,
        users=new.users,
        offsets=offsets,
        events=np.concatenate([before.events, new.item.astype(np.uint32)])[order],
        times=time[order],
        train_end=np.concatenate([before.train_end, np.zeros(n_new_users, dtype=np.int64)]),
        validation=found.validation,
        test=found.test,
        ties=last_ties(offsets, time[order]),
        max_history=before.max_history,
    )


def _late(before: Sequences, new: Events) -> int:
    """New events that are older than the last training event of their user, and yet stand behind it."""
    ends = np.full(len(new.users), -1, dtype=np.int64)
    trained = np.flatnonzero(before.train_end > 0)
    ends[trained] = before.times[before.offsets[trained] + before.train_end[trained] - 1]
    return int((new.time < ends[new.user]).sum())

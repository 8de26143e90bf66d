"""New items and events behind those of a run."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from clairo.artifacts import Sequences
from clairo.config import SequencesConfig
from clairo.errors import InputError
from clairo.sequences import make
from clairo.sequences.added import extend

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400
Rows = list[tuple[str, str, int]]
OLD: Rows = [
    ("u", "b", 1), ("u", "a", 2), ("u", "c", 3), ("u", "d", 4), ("u", "e", 9),
    ("v", "a", 1), ("v", "b", 1), ("v", "c", 2),
    ("w", "a", 5), ("w", "d", 6),
]  # fmt: skip


def write(folder: Path, rows: Rows | None, items: list[str] | None) -> Path:
    """A folder as the reviews stage leaves it; times are days."""
    folder.mkdir()
    if rows is not None:
        columns = {"user": pl.String, "item": pl.String, "time": pl.Int64}
        frame = pl.DataFrame(rows, schema=columns, orient="row").with_columns(pl.col("time") * DAY)
        frame.with_row_index("row").write_parquet(folder / "events.parquet")
    if items is not None:
        urls = [["http://x/y.jpg"] if item != "plain" else None for item in items]
        table = {"item": items, "title": [f"the {item}" for item in items], "image_urls": urls}
        pl.DataFrame(table).write_parquet(folder / "items.parquet")
    return folder


class Run:
    """The sequences of `OLD`, and what adding to them makes."""

    def __init__(self, folder: Path, **options: Any) -> None:
        usual = {"min_user_events": 0, "min_item_events": 0}
        self.cfg, self.folder = SequencesConfig.model_validate(usual | options), folder
        self.old = folder / "sequences"
        self.old.mkdir()
        make(self.cfg, reviews=write(folder / "reviews", OLD, list("edcba")), out=self.old, seed=0)
        self.before = Sequences.load(self.old)

    def add(self, rows: Rows | None, items: list[str] | None) -> tuple[Sequences, dict[str, Any]]:
        out = self.folder / "added"
        out.mkdir()
        report = extend(self.cfg, old=self.old, reviews=write(self.folder / "new", rows, items), out=out)
        return Sequences.load(out), report

    def named(self, sequences: Sequences, user: str) -> list[str]:
        history = sequences.history(sequences.users.tolist().index(user))
        return [str(item) for item in sequences.items[history]]


def test_old_rows_keep_their_numbers_and_training_its_events(tmp_path: Path) -> None:
    run = Run(tmp_path)
    after, report = run.add([("u", "A", 10), ("n", "a", 1), ("v", "e", 1), ("n", "A", 2)], ["A", "b", "Z"])
    assert after.items.tolist() == ["a", "b", "c", "d", "e", "A", "Z"]
    assert after.users.tolist() == ["u", "v", "w", "n"]
    offsets, events = run.before.training()
    assert after.training()[0].tolist() == [*offsets.tolist(), offsets[-1]]
    assert after.training()[1].tolist() == events.tolist()
    assert not after.training_items()[5:].any()
    assert run.named(after, "u") == ["b", "a", "c", "d", "e", "A"]
    assert run.named(after, "n") == ["a", "A"]
    assert report["added"] == {
        "items_known_already": 1,
        "items": 2,
        "events_of_unknown_items": 0,
        "events_repeated": 0,
        "events": 4,
        "users": 1,
        "events_before_training_ends": 0,
    }
    table = pl.read_parquet(tmp_path / "added" / "items.parquet")
    assert table["item"].to_list() == after.items.tolist()
    assert table["title"][5] == "the A"
    assert table["train_events"].to_list() == [3, 1, 1, 0, 0, 0, 0]


def test_the_last_event_tests_be_it_new(tmp_path: Path) -> None:
    run = Run(tmp_path)
    after, _ = run.add([("u", "A", 10), ("n", "a", 1), ("n", "A", 2), ("m", "A", 2)], ["A"])
    users, targets = after.targets("test")
    found = dict(zip(after.users[users].tolist(), after.items[targets].tolist(), strict=True))
    assert found == {"u": "A", "v": "c", "w": "d", "n": "A"}
    users, targets = after.targets("validation")
    found = dict(zip(after.users[users].tolist(), after.items[targets].tolist(), strict=True))
    assert found == {"u": "e", "v": "b"}


def test_a_split_by_time_keeps_its_days(tmp_path: Path) -> None:
    days = {"validation_from": date(1970, 1, 4), "test_from": date(1970, 1, 8)}
    run = Run(tmp_path, split="time", **days)
    after, report = run.add([("v", "A", 8), ("v", "d", 5), ("v", "e", 0), ("u", "A", 8)], ["A"])
    assert run.named(after, "v") == ["a", "b", "c", "e", "d", "A"]
    assert run.named(after, "u") == ["b", "a", "c", "d", "A", "e"]
    users, targets = after.targets("test")
    assert dict(zip(after.users[users].tolist(), after.items[targets].tolist(), strict=True)) == {
        "u": "A",
        "v": "A",
    }
    assert after.train_end.tolist() == run.before.train_end.tolist()
    assert report["added"]["events_before_training_ends"] == 1


def test_what_cannot_come_in_is_counted(tmp_path: Path) -> None:
    run = Run(tmp_path, need_image=True)
    rows = [("u", "A", 10), ("u", "A", 11), ("u", "a", 0), ("u", "stranger", 1), ("x", "plain", 1)]
    after, report = run.add(rows, ["A", "plain"])
    assert after.users.tolist() == ["u", "v", "w"]
    assert run.named(after, "u")[-2:] == ["e", "A"]
    assert report["added"] == report["added"] | {
        "items": 1,
        "items_without_image": 1,
        "events": 1,
        "events_repeated": 2,
        "events_of_unknown_items": 2,
    }


def test_repeats_are_kept_where_the_run_keeps_them(tmp_path: Path) -> None:
    run = Run(tmp_path, repeats="keep")
    after, _ = run.add([("u", "a", 11), ("u", "a", 10)], None)
    assert run.named(after, "u") == ["b", "a", "c", "d", "e", "a", "a"]


def test_adding_twice_is_adding_together(tmp_path: Path) -> None:
    rows = [("u", "A", 10), ("n", "A", 3), ("n", "b", 2), ("u", "B", 11), ("n", "B", 4)]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    once, _ = Run(tmp_path / "one").add(rows, ["A", "B"])
    run = Run(tmp_path / "two")
    first, _ = run.add(rows[:3], ["A"])
    again = tmp_path / "again"
    again.mkdir()
    reviews = write(tmp_path / "more", rows[3:], ["B"])
    extend(run.cfg, old=tmp_path / "two" / "added", reviews=reviews, out=again)
    twice = Sequences.load(again)
    for name in vars(once):
        assert np.array_equal(getattr(once, name), getattr(twice, name)), name
    assert first.n_items == 6


@pytest.mark.parametrize(("rows", "items"), [(None, ["a"]), ([("u", "A", 1)], None), ([("u", "a", 1)], [])])
def test_nothing_new_is_refused(tmp_path: Path, rows: Rows | None, items: list[str] | None) -> None:
    with pytest.raises(InputError, match="nothing in these files can be added"):
        Run(tmp_path).add(rows, items)

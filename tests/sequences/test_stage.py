"""The sequences stage, from reviews and from ready files, on made and on real data."""

import json
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clairo.artifacts import Sequences
from clairo.config import ReviewsConfig, SequencesConfig
from clairo.errors import InputError
from clairo.reviews import make as make_reviews
from clairo.sequences import inputs, make

Event = tuple[str, str, int]
GIFT_CARDS = "raw-gift-cards/Gift_Cards_5.json.gz"


def _reviews(folder: Path, events: list[Event], pictures: dict[str, list[str] | None] | None = None) -> Path:
    """A folder as the reviews stage leaves it; items stand in the reverse order of their ids."""
    users, items, times = zip(*events, strict=True)
    rows = range(len(events))
    pl.DataFrame({"item": items, "user": users, "time": times, "rating": 5.0, "row": rows}).write_parquet(
        folder / "events.parquet"
    )
    names = sorted(set(items), reverse=True)
    urls = [(pictures or {}).get(name) for name in names]
    pl.DataFrame(
        {"item": names, "title": [f"title of {name}" for name in names], "image_urls": urls},
        schema_overrides={"image_urls": pl.List(pl.String)},
    ).write_parquet(folder / "items.parquet")
    return folder


def _make(folder: Path, events: list[Event], **options: Any) -> tuple[Sequences, dict[str, Any]]:
    pictures = options.pop("pictures", None)
    cfg = SequencesConfig(**{"min_user_events": 0, "min_item_events": 0, **options})
    report = make(cfg, reviews=_reviews(folder, events, pictures), out=folder, seed=0)
    assert json.loads((folder / "report.json").read_text("utf-8")) == report
    return Sequences.load(folder), report


def _read(sequences: Sequences) -> dict[str, list[str]]:
    return {
        str(name): sequences.items[sequences.history(n)].tolist() for n, name in enumerate(sequences.users)
    }


EVENTS = [
    ("u2", "b", 3),
    ("u2", "a", 3),
    ("u2", "c", 1),
    ("u1", "c", 9),
    ("u1", "a", 2),
    ("u1", "c", 5),
    ("u1", "b", 7),
    ("u3", "c", 4),
    ("u3", "b", 6),
    ("u4", "a", 1),
]


def test_histories_are_in_time_order_under_original_ids(tmp_path: Path) -> None:
    sequences, report = _make(tmp_path, EVENTS, repeats="keep", max_history=2)
    assert sequences.users.tolist() == ["u1", "u2", "u3", "u4"]
    assert sequences.items.tolist() == ["a", "b", "c"]
    assert _read(sequences) == {
        "u1": ["a", "c", "b", "c"],
        "u2": ["c", "b", "a"],
        "u3": ["c", "b"],
        "u4": ["a"],
    }
    assert sequences.times.tolist() == [2, 5, 7, 9, 1, 3, 3, 4, 6, 1]
    assert sequences.ties.tolist() == [False, True, False, False]
    assert sequences.max_history == 2
    assert report["ties"] == {"times_known": True, "users_with_ties": 1, "users_whose_last_event_ties": 1}


def test_users_of_one_and_two_events_are_kept_and_counted(tmp_path: Path) -> None:
    sequences, report = _make(tmp_path, EVENTS, repeats="keep")
    assert sequences.validation.tolist() == [2, 1, -1, -1]
    assert sequences.test.tolist() == [3, 2, 1, -1]
    assert sequences.train_end.tolist() == [2, 1, 1, 1]
    assert (report["split"]["users_of_two_events"], report["split"]["users_of_one_event"]) == (1, 1)
    assert (report["split"]["validation_users"], report["split"]["test_users"]) == (2, 3)


def test_a_repeat_is_dropped_after_the_first_in_time_not_in_the_file(tmp_path: Path) -> None:
    sequences, report = _make(tmp_path, EVENTS)
    assert _read(sequences)["u1"] == ["a", "c", "b"]
    assert sequences.times[sequences.offsets[0] : sequences.offsets[1]].tolist() == [2, 5, 7]
    assert report["repeats"]["dropped"] == 1


def test_repeats_are_dropped_before_the_core_is_found(tmp_path: Path) -> None:
    events = [("u1", "a", n) for n in range(5)] + [
        (user, item, 0) for user in ("u2", "u3", "u4") for item in ("b", "c", "d")
    ]
    core = {"min_user_events": 3, "min_item_events": 3}
    assert "u1" not in _make(tmp_path, events, **core)[0].users
    assert "u1" in _make(tmp_path, events, **core, repeats="keep")[0].users


def test_the_items_table_follows_the_item_index_and_counts_training_events(tmp_path: Path) -> None:
    sequences, _ = _make(tmp_path, EVENTS, repeats="keep")
    table = pl.read_parquet(tmp_path / "items.parquet")
    assert table["item"].to_list() == sequences.items.tolist()
    assert table["title"].to_list() == [f"title of {item}" for item in sequences.items]
    training = Counter(sequences.items[sequences.training()[1]].tolist())
    assert table["train_events"].to_list() == [training[item] for item in sequences.items.tolist()]
    assert table.schema["train_events"] == pl.UInt32


def test_items_without_image_fall_before_the_core(tmp_path: Path) -> None:
    events = [(user, item, n) for user in ("u1", "u2", "u3") for n, item in enumerate("abcde")]
    pictures: dict[str, list[str] | None] = {item: [f"https://x/{item}"] for item in "abc"} | {
        "d": [],
        "e": None,
    }
    sequences, report = _make(tmp_path, events, need_image=True, pictures=pictures, min_user_events=3)
    assert sequences.items.tolist() == ["a", "b", "c"]
    assert report["need_image"] == {"users": 3, "items": 3, "events": 9, "dropped": 6}
    with pytest.raises(InputError, match="no event is left") as caught:
        _make(tmp_path, events, need_image=True, pictures=pictures, min_user_events=4)
    assert "min_user_events" in str(caught.value)


def test_nothing_left_says_what_to_change(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no event is left of 10 events of 4 users and 3 items") as caught:
        _make(tmp_path, EVENTS, min_user_events=50)
    assert "sequences.min_user_events" in str(caught.value)
    with pytest.raises(InputError, match="no event is left") as caught:
        _make(tmp_path, EVENTS, need_image=True)
    assert "sequences.need_image = false" in str(caught.value)
    with pytest.raises(InputError, match="one item is left"):
        _make(tmp_path, [(f"u{n}", "a", n) for n in range(9)])
    with pytest.raises(InputError, match="no user has a validation target"):
        _make(tmp_path, [("u1", "a", 1), ("u2", "b", 1)])


def test_a_split_by_time(tmp_path: Path) -> None:
    day = 86400
    events = [
        ("u1", "a", 10 * day),
        ("u1", "b", 20 * day),
        ("u1", "c", 21 * day),
        ("u1", "a", 30 * day),
        ("u2", "b", 20 * day),
        ("u2", "c", 31 * day),
        ("u3", "c", 31 * day),
    ]
    days = {"validation_from": date(1970, 1, 20), "test_from": date(1970, 1, 30)}
    sequences, report = _make(tmp_path, events, split="time", repeats="keep", **days)
    assert sequences.train_end.tolist() == [1, 0, 0]
    assert sequences.validation.tolist() == [1, -1, -1]
    assert sequences.test.tolist() == [3, 1, -1]
    assert report["split"]["training_users"] == 1
    early = {"validation_from": date(1970, 1, 2), "test_from": date(1970, 1, 3)}
    with pytest.raises(InputError, match="no event is left to train on"):
        _make(tmp_path, events, split="time", **early)
    late = {"validation_from": date(1970, 1, 20), "test_from": date(1999, 1, 1)}
    with pytest.raises(InputError, match="no user has a test target") as caught:
        _make(tmp_path, events, split="time", **late)
    assert "sequences.test_from" in str(caught.value)


@pytest.mark.parametrize("name", ["events.parquet", "items.parquet"])
def test_damaged_reviews_are_named(tmp_path: Path, name: str) -> None:
    _reviews(tmp_path, EVENTS)
    (tmp_path / name).write_bytes(b"no parquet")
    with pytest.raises(InputError, match="cannot be read"):
        make(SequencesConfig(), reviews=tmp_path, out=tmp_path, seed=0)


def test_options_of_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"sequences\.histories is not set"):
        inputs(SequencesConfig(source="files"))
    there = tmp_path / "t.inter.json"
    there.write_text("{}")
    with pytest.raises(InputError, match=r"sequences\.item_ids.*none"):
        inputs(SequencesConfig(source="files", histories=there, item_ids=tmp_path / "none"))
    with pytest.raises(InputError, match=r"sequences\.histories.*folder"):
        inputs(SequencesConfig(source="files", histories=tmp_path))
    assert inputs(SequencesConfig()) == []
    assert inputs(SequencesConfig(source="files", histories=there)) == [there]


def test_gift_cards_hold_what_is_known_of_them(shared: Path, tmp_path: Path) -> None:
    make_reviews(ReviewsConfig(reviews=shared / "data" / GIFT_CARDS), out=tmp_path, seed=0)
    cfg = SequencesConfig(min_user_events=0, min_item_events=0, repeats="keep")
    report = make(cfg, reviews=tmp_path, out=tmp_path, seed=0)
    assert report["after"] == {"users": 458, "items": 148, "events": 2972}
    assert report["ties"]["users_with_ties"] == 439
    once = make(cfg.model_copy(update={"repeats": "first"}), reviews=tmp_path, out=tmp_path, seed=0)
    assert once["repeats"]["dropped"] == 7
    core = make(SequencesConfig(), reviews=tmp_path, out=tmp_path, seed=0)
    assert core["after"]["items"] < 148
    sequences = Sequences.load(tmp_path)
    assert int(pl.Series(sequences.events).value_counts()["count"].min()) >= 5  # type: ignore[arg-type]
    assert min(len(sequences.history(user)) for user in range(sequences.n_users)) >= 5


def _ready(folder: Path, name: str, **options: Any) -> SequencesConfig:
    files = {"histories": "inter.json", "user_ids": "user2id", "item_ids": "item2id"}
    paths = {option: folder / f"{name}.{file}" for option, file in files.items()}
    return SequencesConfig(source="files", **{**paths, "repeats": "keep", **options})


def test_ready_data_come_through_as_shipped(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "scientific-mm"
    cfg = _ready(folder, "scientific18-mm", items=folder / "scientific18-mm.item.json")
    report = make(cfg, reviews=None, out=tmp_path, seed=0)
    assert report["after"] == {"users": 2928, "items": 1585, "events": 19712}
    assert report["k_core"]["dropped"] == 0
    sequences = Sequences.load(tmp_path)
    published = json.loads((folder / "scientific18-mm.inter.json").read_text("utf-8"))
    assert [sequences.history(user).tolist() for user in range(2928)] == list(published.values())
    assert not sequences.ties.any()
    table = pl.read_parquet(tmp_path / "items.parquet")
    fields = json.loads((folder / "scientific18-mm.item.json").read_text("utf-8"))
    assert table["text"].to_list() == [fields[str(n)]["text"].strip() or None for n in range(1585)]
    assert table["item"].to_list() == [fields[str(n)]["asin"] for n in range(1585)]


def test_instruments_are_the_same_through_both_files(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "instruments"
    report = make(_ready(folder, "Instruments"), reviews=None, out=tmp_path, seed=0)
    assert report["after"] == {"users": 17112, "items": 6250, "events": 136226}
    whole = Sequences.load(tmp_path)
    cfg = _ready(folder, "Instruments", histories=folder / "Instruments.test.inter", min_item_events=0)
    make(cfg, reviews=None, out=tmp_path, seed=0)
    table = Sequences.load(tmp_path)
    assert table.targets("test")[1].tolist() == whole.targets("test")[1].tolist()
    assert table.targets("validation")[1].tolist() == whole.targets("validation")[1].tolist()
    # The table holds the latest 50 events of a history, the JSON all of it.
    assert table.input_history("test")[1].tolist() == whole.input_history("test")[1].tolist()


def test_two_runs_write_the_same_bytes(shared: Path, tmp_path: Path) -> None:
    make_reviews(ReviewsConfig(reviews=shared / "data" / GIFT_CARDS), out=tmp_path, seed=0)
    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        make(SequencesConfig(), reviews=tmp_path, out=tmp_path / name, seed=0)
        written.append(
            [
                (tmp_path / name / file).read_bytes()
                for file in ("sequences.npz", "items.parquet", "report.json")
            ]
        )
    assert written[0] == written[1]

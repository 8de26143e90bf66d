"""The door for histories that were made elsewhere."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from clairo.errors import InputError
from clairo.sequences import ready, ready_items
from clairo.sequences.events import Events

HEADER = "user_id:token\titem_id_list:token_seq\titem_id:token\n"


def _write(folder: Path, name: str, content: str | dict[str, Any]) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def _histories(events: Events) -> dict[str, list[str]]:
    ordered = events.in_order()
    return {
        str(name): ordered.items[ordered.item[ordered.user == user]].tolist()
        for user, name in enumerate(ordered.users)
    }


def test_json_and_table_hold_the_same_histories(tmp_path: Path) -> None:
    as_json = _write(tmp_path, "Toys.inter.json", {"0": [2, 0, 2], "1": [1, 3]})
    as_table = _write(tmp_path, "Toys.test.inter", HEADER + "0\t2 0\t2\n1\t1\t3\n")
    users = _write(tmp_path, "user2id", "Ann\t0\nBob\t1\n")
    items = _write(tmp_path, "item2id", "B3\t3\nB0\t0\nB1\t1\r\nB2\t2\n\n")
    for path in (as_json, as_table):
        events, dense = ready.read(path, users, items)
        assert _histories(events) == {"Ann": ["B2", "B0", "B2"], "Bob": ["B1", "B3"]}
        assert events.items.tolist() == ["B0", "B1", "B2", "B3"]
        assert dense.tolist() == [0, 1, 2, 3]
        assert set(events.time.tolist()) == {-1}


def test_without_id_files_dense_ids_are_the_ids_in_the_order_of_numbers(tmp_path: Path) -> None:
    events, dense = ready.read(_write(tmp_path, "t.inter.json", {"10": [11, 2], "9": [100]}), None, None)
    assert events.users.tolist() == ["9", "10"]
    assert events.items.tolist() == ["2", "11", "100"]
    assert dense.tolist() == [2, 11, 100]
    assert _histories(events) == {"9": ["100"], "10": ["11", "2"]}


def test_ids_without_an_event_are_kept_apart(tmp_path: Path) -> None:
    histories = _write(tmp_path, "t.inter.json", {"0": [1], "1": []})
    events, _ = ready.read(histories, None, _write(tmp_path, "item2id", "A\t0\nB\t1\nC\t7\n"))
    assert events.items.tolist() == ["A", "B", "C"]
    assert events.counts() == {"users": 1, "items": 1, "events": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1, 2]", "holds no JSON object"),
        ('{"0": [1', "is no JSON file"),
        ('{"0": [1], "0": [2]}', "'0' stands there twice"),
        ('{"0": [1], "00": [2]}', "entry '00'"),
        ('{"Ann": [1]}', "entry 'Ann': a dense user id"),
        ('{"0": 1}', "entry '0': a list of dense item ids"),
        ('{"0": [1.5]}', "entry '0': a list"),
        ('{"0": [true]}', "entry '0': a list"),
        ('{"0": [-1]}', "entry '0': a list"),
        ('{"0": []}', "holds no events"),
        ("{}", "holds no events"),
    ],
)
def test_bad_json_is_named(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"t\.inter\.json.*{re.escape(message)}"):
        ready.read(_write(tmp_path, "t.inter.json", content), None, None)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("0\t1 2\t3\n", "line 1: the header"),
        (HEADER + "0\t1 2\t3\n1\t1 2\n", "line 3: a dense user id"),
        (HEADER + "0\t1 x\t3\n", "line 2: a dense user id"),
        (HEADER + "Ann\t1\t3\n", "line 2: a dense user id"),
        (HEADER + "0\t1\t2\n0\t1 2\t3\n", "line 3: user 0 stands there twice"),
        (HEADER, "holds no events"),
        ("", "holds no events"),
    ],
)
def test_a_bad_table_is_named_with_its_line(tmp_path: Path, lines: str, message: str) -> None:
    with pytest.raises(InputError, match=rf"t\.test\.inter.*{message}"):
        ready.read(_write(tmp_path, "t.test.inter", lines), None, None)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ("A\t0\nB\t1\n", "has no item of dense id 2, which t.inter.json names"),
        ("A\t0\nB\t1\nC\t2\nD\t1\n", "line 4: dense id 1 is 'B' and 'D'"),
        ("A\t0\nB\t1\nC\t2\nA\t3\n", "line 4: 'A' has two dense ids"),
        ("A\t0\nB 1\nC\t2\n", "line 2: an original id, a tab and a dense id"),
        ("A\t0\n\t1\n", "line 2: an original id"),
        ("A\t0\nB\t-1\n", "line 2: an original id"),
        ("A\t0\nB\t\u0661\n", "line 2: an original id"),
    ],
)
def test_bad_ids_are_named(tmp_path: Path, ids: str, message: str) -> None:
    histories = _write(tmp_path, "t.inter.json", {"0": [0, 1, 2]})
    with pytest.raises(InputError, match=rf"item2id.*{re.escape(message)}"):
        ready.read(histories, None, _write(tmp_path, "item2id", ids))


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    for name in ("t.inter.json", "t.test.inter"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00")
        with pytest.raises(InputError, match=re.escape(name)):
            ready.read(tmp_path / name, None, None)


def _items(path: Path | None, items: list[str], dense: list[int]) -> pl.DataFrame:
    return ready_items.read(path, np.array(items), np.array(dense))


def test_fields_of_items_have_the_columns_of_the_reviews_stage_and_text(tmp_path: Path) -> None:
    fields = {
        "0": {
            "asin": "A",
            "text": " All of it. ",
            "title": "Puzzle",
            "price": 9.5,
            "categories": "Toys",
            "description": ["One.", "Two."],
            "feature": ["wood", ""],
            "image_urls": ["https://x/a.jpg"],
            "other": {"x": 1},
        },
        "5": {"title": "", "brand": None},
        "9": {"title": "of no item"},
    }
    table = _items(_write(tmp_path, "items.json", fields), ["A", "B", "C"], [0, 5, 6])
    nothing = dict.fromkeys(table.columns)
    assert table.to_dicts() == [
        {
            "item": "A",
            "title": "Puzzle",
            "brand": None,
            "price": "9.5",
            "features": ["wood"],
            "categories": ["Toys"],
            "description": "One. Two.",
            "image_urls": ["https://x/a.jpg"],
            "text": "All of it.",
        },
        {**nothing, "item": "B"},
        {**nothing, "item": "C"},
    ]
    assert table.schema == _items(None, ["A"], [0]).schema


def test_all_addresses_of_images_count_the_best_first(tmp_path: Path) -> None:
    fields = {
        "0": {
            "image": "https://x/c.jpg",
            "imageURL": ["https://x/b.jpg", "https://x/a.jpg"],
            "imageURLHighRes": ["https://x/a.jpg"],
            "imUrl": "https://x/d.jpg",
        }
    }
    table = _items(_write(tmp_path, "items.json", fields), ["A"], [0])
    assert table["image_urls"].to_list() == [[f"https://x/{name}.jpg" for name in "abcd"]]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"0": {"asin": "Z"}}, "entry '0' is item 'Z', but sequences.item_ids says 'A'"),
        ({"0": "Puzzle"}, "entry '0': an object of fields"),
        ({"A": {"title": "Puzzle"}}, "names none of the items"),
    ],
)
def test_fields_that_do_not_belong_to_the_items_are_named(
    tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        _items(_write(tmp_path, "items.json", fields), ["A"], [0])


def test_without_item_ids_an_asin_has_nothing_to_agree_with(tmp_path: Path) -> None:
    table = _items(_write(tmp_path, "items.json", {"0": {"asin": "Z", "title": "Puzzle"}}), ["0"], [0])
    assert table["title"].to_list() == ["Puzzle"]

"""Reviews and ratings into events."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clairo.errors import InputError
from clairo.reviews import events, lines

GOOD = {
    "overall": 4.0,
    "reviewerID": "A1",
    "asin": "B000000001",
    "reviewText": "fine",
    "unixReviewTime": 1500000000,
}


def _review(**changes: Any) -> dict[str, Any]:
    row = {**GOOD, **changes}
    return {key: value for key, value in row.items() if value is not ...}


def _lines(*rows: dict[str, Any] | str) -> bytes:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows).encode()


def _write(
    folder: Path, content: bytes, *, name: str = "Toys_5.json", skip: bool = False
) -> tuple[pl.DataFrame, dict[str, Any]]:
    path = folder / name
    path.write_bytes(content)
    found = events.write(path, folder, skip=skip)
    frame = pl.read_parquet(folder / events.FILE)
    assert found.items == set(frame["item"])
    return frame, found.report


def test_events_are_the_rows_in_the_order_of_the_file(tmp_path: Path) -> None:
    rows = [
        _review(reviewerID=f"A{n % 3}", asin=f"B{n}", unixReviewTime=100 - n, overall=n % 5)
        for n in range(10)
    ]
    frame, report = _write(tmp_path, _lines(*rows))
    assert frame.schema == {
        "item": pl.String,
        "user": pl.String,
        "time": pl.Int64,
        "rating": pl.Float32,
        "row": pl.Int64,
    }
    assert frame.rows() == [
        (row["asin"], row["reviewerID"], row["unixReviewTime"], row["overall"], n)
        for n, row in enumerate(rows)
    ]
    assert (report["events"], report["users"], report["items"]) == (10, 3, 10)


def test_blank_lines_and_windows_line_ends_do_not_count(tmp_path: Path) -> None:
    content = b"\r\n".join([_lines(_review()).strip(), b"", b"  ", _lines(_review(reviewerID="A2")).strip()])
    frame, report = _write(tmp_path, content)
    assert frame["row"].to_list() == [0, 1]
    assert report["rows"] == 2


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"asin": ...}, "no item id"),
        ({"asin": None}, "no item id"),
        ({"asin": " "}, "no item id"),
        ({"asin": ["B1"]}, "no item id"),
        ({"reviewerID": ...}, "no user id"),
        ({"reviewerID": {"id": "A"}}, "no user id"),
        ({"unixReviewTime": ...}, "no time"),
        ({"unixReviewTime": "yesterday"}, "no time"),
        ({"unixReviewTime": True}, "no time"),
        ({"unixReviewTime": -5}, "no time"),
        ({"unixReviewTime": [1]}, "no time"),
    ],
)
def test_a_row_without_what_it_needs_is_named_or_skipped(
    tmp_path: Path, change: dict[str, Any], fault: str
) -> None:
    content = _lines(_review(), "", _review(**change), _review(asin="B2"))
    with pytest.raises(InputError, match=rf"Toys_5\.json, line 3: {fault}"):
        _write(tmp_path, content)
    frame, report = _write(tmp_path, content, skip=True)
    assert frame["row"].to_list() == [0, 2]
    assert report["rows"] == 3
    assert sum(report[f"without_{field}"] for field in ("item", "user", "time")) == 1
    assert report["broken_lines"] == 0


@pytest.mark.parametrize(
    "broken",
    [
        '{"asin": "B1", "over',
        "not json",
        "[1, 2]",
        '"text"',
        "null",
        "3",
        "{'asin': 'B1'}",
        '{"asin": NaN}',
        "{} {}",
    ],
)
def test_a_line_that_is_no_object_is_named_or_skipped(tmp_path: Path, broken: str) -> None:
    content = _lines(_review(), _review(), "", broken, _review(asin="B2"))
    with pytest.raises(InputError, match=r"Toys_5\.json, line 4: not a JSON object: ") as caught:
        _write(tmp_path, content)
    assert caught.value.hint is not None
    assert "reviews.on_broken_line" in caught.value.hint
    frame, report = _write(tmp_path, content, skip=True)
    assert frame["item"].to_list() == ["B000000001", "B000000001", "B2"]
    assert (report["broken_lines"], report["rows"], report["events"]) == (1, 3, 3)


def test_the_first_of_several_faults_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2: no time"):
        _write(tmp_path, _lines(_review(), _review(unixReviewTime=None), _review(asin=None)))


LINE = st.sampled_from(
    [
        json.dumps(_review()),
        json.dumps(_review(asin="B2", reviewerID="A9")),
        json.dumps(_review(asin=None)),
        json.dumps(_review(unixReviewTime=None, reviewerID=None)),
        '{"broken',
        "]",
        "",
        "{}",
    ]
)


def _oracle(content: list[str]) -> tuple[list[tuple[str, str]], Counter[str]]:
    """Line by line: the events, and how many lines were left out."""
    kept, counts = [], Counter[str]()
    for line in filter(None, content):
        try:
            row = json.loads(line)
        except ValueError:
            counts["broken"] += 1
            continue
        if row.get("asin") and row.get("reviewerID") and row.get("unixReviewTime"):
            kept.append((row["asin"], row["reviewerID"]))
        else:
            counts["lacking"] += 1
    return kept, counts


@given(st.lists(LINE, max_size=60), st.integers(1, 700))
def test_skipping_agrees_with_a_reader_line_by_line(
    tmp_path_factory: pytest.TempPathFactory, content: list[str], size: int
) -> None:
    folder = tmp_path_factory.mktemp("events")
    kept, counts = _oracle(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "CHUNK", size)
        patch.setattr(lines, "_READ", 64)
        if not kept:
            with pytest.raises(InputError):
                _write(folder, _lines(*content), skip=True)
            return
        frame, report = _write(folder, _lines(*content), skip=True)
    assert frame.select("item", "user").rows() == kept
    assert report["broken_lines"] == counts["broken"]
    assert report["rows"] - report["events"] == counts["lacking"]


@given(st.lists(LINE, min_size=1, max_size=40), st.integers(1, 700))
def test_the_line_that_is_named_is_the_one_that_is_broken(
    tmp_path_factory: pytest.TempPathFactory, content: list[str], size: int
) -> None:
    bad = [number for number, line in enumerate(content, 1) if line and _oracle([line])[1]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "CHUNK", size)
        patch.setattr(lines, "_READ", 1)
        if not bad and any(content):
            _write(tmp_path_factory.mktemp("events"), _lines(*content))
            return
        with pytest.raises(InputError) as caught:
            _write(tmp_path_factory.mktemp("events"), _lines(*content))
    found = re.search(r", line (\d+): ", caught.value.message)
    assert (found is not None and int(found[1]) in bad) if bad else "holds no" in caught.value.message


def test_reviews_without_text_or_rating_are_events_and_counted(tmp_path: Path) -> None:
    content = _lines(
        _review(reviewText=...),
        _review(reviewText=None, asin="B2"),
        _review(reviewText=" \n", asin="B3"),
        _review(overall=..., asin="B4"),
        _review(overall="five", asin="B5"),
        _review(overall="3", asin="B6"),
    )
    frame, report = _write(tmp_path, content)
    assert frame["rating"].to_list() == [4, 4, 4, None, None, 3]
    assert report["without_text"] == 3
    assert report["without_rating"] == 2


@pytest.mark.parametrize("time", [1500000000, 1500000000.0, "1500000000"])
def test_times_may_be_written_in_any_way_that_is_a_number(tmp_path: Path, time: object) -> None:
    frame, _ = _write(tmp_path, _lines(_review(unixReviewTime=time)))
    assert frame["time"].to_list() == [1500000000]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_repeated_pairs_users_and_items_are_counted(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[int, int]]
) -> None:
    rows = [_review(reviewerID=f"A{user}", asin=f"B{item}") for user, item in pairs]
    frame, report = _write(tmp_path_factory.mktemp("events"), _lines(*rows))
    assert report["repeated_pairs"] == len(pairs) - len(set(pairs))
    assert report["users"] == len({user for user, _ in pairs})
    assert report["items"] == len({item for _, item in pairs})
    assert frame.height == len(pairs)


RATINGS = (
    b"B000068NW5,A1UBHTUUIFJUTX,5.0,1500000000\n"
    b"0899332757,A2MN5JQMIY0FQ2,3.0,1400000000\n"
    b"B000068NW5,A25POI5IGGENPM,1.0,1300000000\n"
)


@pytest.mark.parametrize("name", ["ratings.csv", "ratings.csv.gz"])
@pytest.mark.parametrize("user_first", [False, True])
def test_ratings_are_read_in_either_order_of_columns(tmp_path: Path, name: str, user_first: bool) -> None:
    rows = [line.split(b",") for line in RATINGS.split()]
    content = b"\n".join(b",".join([b, a, c, d] if user_first else [a, b, c, d]) for a, b, c, d in rows)
    frame, report = _write(tmp_path, gzip.compress(content) if name.endswith("gz") else content, name=name)
    assert frame["item"].to_list() == ["B000068NW5", "0899332757", "B000068NW5"]
    assert frame["user"].to_list() == ["A1UBHTUUIFJUTX", "A2MN5JQMIY0FQ2", "A25POI5IGGENPM"]
    assert frame["rating"].to_list() == [5, 3, 1]
    assert frame["time"].to_list() == [1500000000, 1400000000, 1300000000]
    assert report["columns"] == list(events.USER_FIRST if user_first else events.ITEM_FIRST)


def test_ratings_without_a_whole_row_at_their_head_are_taken_in_the_order_of_2018(tmp_path: Path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_bytes(b"broken\n" * 2000 + RATINGS)
    assert events.column_order(path) == events.ITEM_FIRST


def test_ratings_whose_ids_do_not_tell_are_read_as_published_in_2018(tmp_path: Path) -> None:
    frame, report = _write(tmp_path, b"item,user,5,7\n", name="ratings.csv")
    assert frame.row(0) == ("item", "user", 7, 5, 0)
    assert report["columns"] == list(events.ITEM_FIRST)


@pytest.mark.parametrize(
    "broken",
    [b"item,user,rating,timestamp", b"B000068NW5,A1", b"B000068NW5,A1,5,6,7", b",A1,5,6", b"\xff,A1,5,6"],
)
def test_broken_ratings_are_named_or_skipped(tmp_path: Path, broken: bytes) -> None:
    content = RATINGS + b"\r\n" + broken + b"\r\n" + RATINGS
    with pytest.raises(InputError, match=r"ratings\.csv, line 5: "):
        _write(tmp_path, content, name="ratings.csv")
    frame, report = _write(tmp_path, content, name="ratings.csv", skip=True)
    assert frame.height == 6
    assert report["rows"] + report["broken_lines"] == 7


@pytest.mark.parametrize("name", ["Toys_5.json", "Toys_5.json.gz", "ratings.csv"])
@pytest.mark.parametrize("content", [b"", gzip.compress(b""), b"\n \n"])
def test_an_empty_file_is_an_error(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(InputError, match="holds no"):
        _write(tmp_path, content, name=name)


def test_a_file_whose_every_row_is_skipped_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no row with an item"):
        _write(tmp_path, b"{}\n{}\n", skip=True)


def test_a_truncated_file_is_used_as_far_as_it_goes_when_skipping(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    random = np.random.default_rng(0)
    rows = [_review(reviewerID=f"A{random.integers(10**9)}", asin=f"B{n:09}") for n in range(4000)]
    packed = gzip.compress(_lines(*rows))
    with pytest.raises(InputError, match=r"Toys_5\.json\.gz, line \d+: .*truncated"):
        _write(tmp_path, packed[: len(packed) // 2], name="Toys_5.json.gz")
    frame, report = _write(tmp_path, packed[: len(packed) // 2], name="Toys_5.json.gz", skip=True)
    assert 1500 < frame.height < 2500
    assert frame["item"].to_list() == [row["asin"] for row in rows[: frame.height]]
    assert "truncated" in report["damage"]
    assert report["broken_lines"] <= 1
    assert "what comes before it is used" in caplog.text


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    content = _lines(*(_review(asin=f"B{n % 97}", reviewerID=f"A{n % 1013}") for n in range(100_000)))
    _write(tmp_path, content)
    first = (tmp_path / events.FILE).read_bytes()
    _write(tmp_path, content)
    assert (tmp_path / events.FILE).read_bytes() == first

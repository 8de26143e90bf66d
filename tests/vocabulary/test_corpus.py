"""Histories and tables in any form become the same corpus; what is wrong with them is told by place."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from clairo import Corpus, InputError, Vocabulary

CODES = {"x": [0, 1, 0], "y": [0, 2, 0], "z": [1, 1, 0]}
HISTORIES = [["y", "x"], [], ["z", "y", "y"]]
ROWS = [[1, 0], [], [2, 1, 1]]
TABLE = list(CODES.values())
FRAME = pl.DataFrame({"item": list(CODES), "a": [0, 0, 1], "b": [1, 2, 1], "last": [0, 0, 0]})
NESTED = pl.DataFrame({"item": list(CODES), "text": [row[:2] for row in TABLE], "last": [0, 0, 0]})
EVENTS = pl.DataFrame(
    {
        "user": [7, 3, 7, 3, 3],
        "item": ["x", "z", "y", "y", "y"],
        "time": [50, 10, 40, 10, 30],  # user 3 took z and y in one moment: the order of the rows counts
    }
)


def check(corpus: Corpus, histories: list[list[int]]) -> None:
    features, offsets, events = corpus.arrays
    assert {array.dtype for array in corpus.arrays} == {np.dtype(np.int64)}
    assert features.tolist() == TABLE
    assert [part.tolist() for part in np.split(events, offsets[1:-1])] == histories


@pytest.mark.parametrize(
    ("items", "histories"),
    [
        (FRAME, HISTORIES),
        (FRAME, pl.Series(HISTORIES)),
        (FRAME, (tuple(row) for row in HISTORIES)),
        (NESTED, HISTORIES),
        (NESTED.with_columns(pl.col("text").cast(pl.Array(pl.UInt8, 2))), HISTORIES),
        (FRAME.with_columns(pl.col("item").cast(pl.Categorical)), pl.Series(HISTORIES)),
        (CODES, HISTORIES),
        (CODES, pl.Series(HISTORIES)),
        (TABLE, ROWS),
        (np.array(TABLE, np.uint16), [np.array(row, np.int32) for row in ROWS]),
        (TABLE, pl.Series(ROWS)),
    ],
)
def test_histories_in_every_form(items: Any, histories: Any) -> None:
    check(Corpus.from_histories(histories, items), ROWS)


@pytest.mark.parametrize(
    "events",
    [
        EVENTS,
        EVENTS.with_columns(pl.col("time").cast(pl.Float64)),
        EVENTS.with_columns(pl.col("time").map_elements(datetime.fromtimestamp, return_dtype=pl.Datetime)),
        EVENTS.with_columns(pl.format("2020-01-{}", "time").alias("time"), pl.col("user").cast(pl.String)),
    ],
)
def test_events_in_every_form(events: pl.DataFrame) -> None:
    corpus = Corpus.from_frame(events, FRAME)
    check(corpus, [[1, 0], [2, 1, 1]])
    assert list(map(int, corpus.users)) == [7, 3]
    assert corpus.items == ["x", "y", "z"]


def test_events_in_the_order_of_their_rows() -> None:
    check(Corpus.from_frame(EVENTS, CODES, time=None), [[0, 1], [2, 1, 1]])


def test_columns_by_other_names_and_in_another_order() -> None:
    events = EVENTS.rename({"user": "who", "item": "what", "time": "when"})
    items = FRAME.rename({"item": "what"}).with_columns(title=pl.lit("words"))
    corpus = Corpus.from_frame(
        events, items, user="who", item="what", time="when", categories=["last", "b", "a"]
    )
    assert corpus.names == ["last", "b", "a"]
    assert corpus.features.tolist() == [row[::-1] for row in TABLE]


def test_names_of_categories() -> None:
    assert Corpus.from_histories(HISTORIES, NESTED).names == ["text 1", "text 2", "last"]
    assert Corpus.from_histories(ROWS, TABLE).names == ["category 0", "category 1", "category 2"]


def test_it_goes_where_features_offsets_and_events_go() -> None:
    corpus = Corpus.from_histories(HISTORIES, CODES)
    assert repr(corpus) == "Corpus(3 items of 3 categories, 3 histories of 5 events)"
    vocabulary = Vocabulary.train(*corpus.arrays, size=11)
    flat = Vocabulary.train(TABLE, [0, 2, 2, 5], [1, 0, 2, 1, 1], size=11)
    assert np.array_equal(vocabulary.merges, flat.merges)
    assert vocabulary.encode(*corpus.arrays)[0].tolist() == flat.encode(*corpus.arrays)[0].tolist()
    assert len(vocabulary.encode_deterministic(*corpus.arrays)[1]) == 4
    assert len(vocabulary.expand(*corpus.arrays, size=13)) == 13


def test_nothing_at_all_is_a_corpus() -> None:
    assert (
        repr(Corpus.from_histories([], FRAME)) == "Corpus(3 items of 3 categories, 0 histories of 0 events)"
    )
    assert len(Vocabulary.train(*Corpus.from_frame(EVENTS.clear(), FRAME).arrays, size=99)) == 6


def test_lists_do_without_polars() -> None:
    script = (
        "import sys\nfrom clairo import Corpus, Vocabulary\n"
        "corpus = Corpus.from_histories([['a', 'b']], {'a': [0, 1], 'b': [1, 1]})\n"
        "Vocabulary.train(*corpus.arrays, size=8)\nsys.exit('polars' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def without(column: str, row: int) -> pl.DataFrame:
    return EVENTS.with_columns(
        pl.when(pl.int_range(pl.len()) == row).then(None).otherwise(column).alias(column)
    )


WRONG: list[tuple[str, Any]] = [
    (r"histories\[2\]\[1\]: 'w' is not among the items", lambda: [["y"], [], ["z", "w"]]),
    (r"histories\[1\]\[0\]: None is not among", lambda: pl.Series([["y"], [None]])),
    (r"histories\[0\]\[1\]: \['y'\] is not among", lambda: [["y", ["y"]]]),
    (r"histories\[0\]\[0\]: 3 is not among", lambda: [[3]]),
    (r"histories\[1\]: None is no list", lambda: pl.Series([["y"], None])),
    (r"histories\[0\]: 'yx' is no list", lambda: ["yx"]),
    (r"histories\[0\]: 4 is no list", lambda: [4]),
    (r"histories: must be rows of item ids, is str", lambda: "yx"),
    (r"histories: must be rows of item ids, is dict", lambda: {"u": ["y"]}),
    (r"histories: must be a column of lists, is a DataFrame", lambda: EVENTS),
]


@pytest.mark.parametrize(("message", "make"), WRONG)
def test_histories_that_do_not_fit(message: str, make: Any) -> None:
    with pytest.raises(InputError, match=message):
        Corpus.from_histories(make(), FRAME)


@pytest.mark.parametrize("row", [-1, 3, 2**70, 0.0, "1", True])
def test_row_numbers_that_are_none(row: Any) -> None:
    with pytest.raises(InputError, match=r"histories\[1\]\[1\]: .* is not a row of items \(0\.\.3\)"):
        Corpus.from_histories([[0], [2, row]], TABLE)


WRONG_EVENTS: list[tuple[str, pl.DataFrame, dict[str, Any]]] = [
    (r'events: no column "who"\nhint: its columns: user, item, time', EVENTS, {"user": "who"}),
    (r'events: no column "when"\nhint: time=None', EVENTS, {"time": "when"}),
    (r'events\["user"\], row 3: nothing stands there', without("user", 3), {}),
    (r'events\["item"\], row 2: nothing stands there', without("item", 2), {}),
    (r'events\["time"\], row 4: nothing stands there', without("time", 4), {}),
    (
        r'events\["time"\], row 0: nan',
        EVENTS.with_columns(pl.col("time").cast(float).replace(50.0, float("nan"))),
        {},
    ),
    (
        r"events\[\"item\"\], row 1: 'w' is not among",
        EVENTS.with_columns(pl.col("item").replace("z", "w")),
        {},
    ),
]


@pytest.mark.parametrize(("message", "events", "options"), WRONG_EVENTS)
def test_events_that_do_not_fit(message: str, events: pl.DataFrame, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=message):
        Corpus.from_frame(events, FRAME, **options)


def test_frames_of_other_kinds() -> None:
    with pytest.raises(InputError, match=r"events: must be a polars DataFrame, is LazyFrame\nhint: collect"):
        Corpus.from_frame(EVENTS.lazy(), FRAME)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"events: must be a polars DataFrame, is list\nhint: lists of item"):
        Corpus.from_frame(HISTORIES, FRAME)  # type: ignore[arg-type]


WRONG_ITEMS: list[tuple[str, Any]] = [
    (r'items: no column "item"', FRAME.drop("item")),
    (r'items: no column beside "item"', FRAME.select("item")),
    (r"items\[\"item\"\], row 2: 'x' stands in row 0", FRAME.with_columns(item=pl.Series(["x", "y", "x"]))),
    (r'items\["item"\], row 1: nothing', FRAME.with_columns(item=pl.Series(["x", None, "z"]))),
    (r'items\["b"\], row 1: nothing', FRAME.with_columns(b=pl.Series([1, None, 1]))),
    (r"items\[\"b\"\], row 0: 1\.0 is not a whole number", FRAME.with_columns(pl.col("b").cast(float))),
    (r"items\[\"title\"\], row 0: 'it' is not a whole", FRAME.with_columns(title=pl.lit("it"))),
    (r'items\["b"\], row 0: -1 is not in 0', FRAME.with_columns(b=-pl.col("b"))),
    (
        r'items\["text"\], row 1: 1 codes, but row 0 has 2',
        NESTED.with_columns(text=pl.Series([[0, 1], [2], [1]])),
    ),
    (r'items\["text"\], row 2: None', NESTED.with_columns(text=pl.Series([[0, 1], [2, 1], [1, None]]))),
    (r"items\['y'\]: 2 codes, but the items before have 3", CODES | {"y": [0, 2]}),
    (r"items\['y'\]: 7 is no row of codes", CODES | {"y": 7}),
    (r"items\[1, 0\]: 0\.5 is not a whole number", CODES | {"y": [0.5, 2, 3]}),
    (r"items\[1\]: a row of another length", [[0, 1], [1]]),
    (r"items: must be a polars DataFrame, is LazyFrame", FRAME.lazy()),
]


@pytest.mark.parametrize(("message", "items"), WRONG_ITEMS)
def test_items_that_do_not_fit(message: str, items: Any) -> None:
    with pytest.raises(InputError, match=message):
        Corpus.from_histories([], items)


def test_columns_are_chosen_from_frames_only() -> None:
    with pytest.raises(InputError, match="categories: only a frame of items"):
        Corpus.from_histories(HISTORIES, CODES, categories=["a"])

"""Codes of items that are added: room beside old ones, by the method of the run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clairo import codes
from clairo.artifacts import Codes
from clairo.codes.added import room
from clairo.config import CodesConfig
from clairo.errors import InputError

WriteFolders = Callable[..., tuple[Path, Path]]
Row = tuple[int, int]


def table(rows: list[Row], last: list[int], values: int) -> Codes:
    features = np.column_stack([np.array(rows).reshape(-1, 2), np.array(last)]).astype(np.uint32)
    ids = np.array([f"old {row}" for row in range(len(rows))])
    return Codes(ids, features, ["a 1", "a 2", "disambiguation"], [2, 2, values])


def given_room(old: Codes, rows: list[Row], method: str) -> list[int]:
    cfg = CodesConfig.model_validate({"disambiguation": method})
    new = np.array(rows, dtype=np.uint32).reshape(-1, 2)
    features = np.concatenate([old.features[:, :-1], new])
    return [
        int(code) for code in room(features, old, np.array([f"new {n}" for n in range(len(rows))]), cfg, 0)
    ]


def test_a_new_item_gets_the_next_value_that_is_free() -> None:
    old = table([(0, 0), (0, 0), (1, 1)], [0, 2, 0], 4)
    assert given_room(old, [(0, 0), (1, 1), (0, 0), (1, 0)], "sequential") == [1, 1, 3, 0]
    assert given_room(old, [], "sequential") == []


pairs = st.tuples(st.integers(0, 1), st.integers(0, 1))


@given(st.lists(pairs, max_size=6), st.lists(pairs, max_size=6), st.sampled_from(["sequential", "random"]))
@settings(max_examples=60, deadline=None)
def test_rows_are_unique_or_the_items_that_do_not_fit_are_counted(
    rows: list[Row], new: list[Row], method: str
) -> None:
    values, last = 4, [rows[:place].count(row) for place, row in enumerate(rows)]
    if any(count >= values for count in last):
        return
    crowded = [row for row in new if rows.count(row) + new.count(row) > values]
    old = table(rows, last, values)
    if crowded:
        with pytest.raises(InputError, match=f"in all, {len(crowded)} new items are on such rows"):
            given_room(old, new, method)
        return
    found = given_room(old, new, method)
    whole = [*zip(rows, last, strict=True), *zip(new, found, strict=True)]
    assert len(set(whole)) == len(whole)
    assert all(0 <= code < values for code in found)


def test_the_quantizer_must_be_of_these_vectors(write_folders: WriteFolders, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    fused, sequences = write_folders([f"i{row}" for row in range(20)], {"text": vectors})
    options: dict[str, Any] = {"books": 2, "values": 4, "iterations": 2}
    old, out = tmp_path / "old", tmp_path / "out"
    old.mkdir()
    out.mkdir()
    codes.make(CodesConfig(**options), fused=fused, sequences=sequences, out=old, seed=0)
    wide = np.ones((21, 6), dtype=np.float32)
    fused, sequences = write_folders([*(f"i{row}" for row in range(20)), "new"], {"text": wide})
    with pytest.raises(InputError, match="2 codes below 4 of vectors 4 wide, but 2 below 4 of 6 are wanted"):
        codes.extend(CodesConfig(**options), old=old, fused=fused, sequences=sequences, out=out, seed=0)


def test_the_report_counts_all_items(write_folders: WriteFolders, tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).standard_normal((22, 4)).astype(np.float32)
    names = [f"i{row}" for row in range(22)]
    cfg = CodesConfig(books=2, values=4, iterations=2)
    old, out = tmp_path / "old", tmp_path / "out"
    old.mkdir()
    out.mkdir()
    fused, sequences = write_folders(names[:20], {"text": vectors[:20]})
    before = codes.make(cfg, fused=fused, sequences=sequences, out=old, seed=0)
    fused, sequences = write_folders(names, {"text": vectors}, {"text": np.arange(22) < 21})
    report = codes.extend(cfg, old=old, fused=fused, sequences=sequences, out=out, seed=0)
    assert report == json.loads((out / "report.json").read_text())
    assert report["items"] == 22
    assert report["new_without_vector"] == 1
    errors = [[entry.get("relative_error") for entry in part["categories"]] for part in (before, report)]
    assert errors[0] == errors[1]
    assert (out / "text.faiss").read_bytes() == (old / "text.faiss").read_bytes()

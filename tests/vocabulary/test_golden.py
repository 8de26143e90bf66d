"""The golden files through Python, to the last entry."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clairo import Vocabulary

SLICES = ["small.json", "instruments_text_300.json", "instruments_text_image_150.json"]


class Case:
    """One case of a golden file, its items numbered in the file's order."""

    def __init__(self, case: dict[str, Any]) -> None:
        self.case = case
        rows = {item: row for row, item in enumerate(case["features"])}
        self.features = np.array(list(case["features"].values()))
        lengths = [len(sequence) for sequence in case["sequences"]]
        self.offsets = np.concatenate([[0], np.cumsum(lengths)])
        self.events = np.array([rows[item] for sequence in case["sequences"] for item in sequence])

    def train(self) -> Vocabulary:
        return Vocabulary.train(self.features, self.offsets, self.events, size=self.case["vocab_size_asked"])


def cases(path: Path) -> list[Case]:
    return [Case(case) for case in json.loads(path.read_text())]


def split(tokens: np.ndarray[Any, Any], offsets: np.ndarray[Any, Any]) -> list[list[int]]:
    return [row.tolist() for row in np.split(tokens, offsets[1:-1])]


@pytest.mark.parametrize("name", SLICES)
def test_merges_and_exact_priorities(shared: Path, name: str) -> None:
    for case in cases(shared / "golden" / name):
        vocabulary, right = case.train(), case.case
        assert vocabulary.n_initial == right["n_initial"]
        assert [list(feature) for feature in vocabulary.initial_tokens] == right["initial_tokens"]
        assert vocabulary.merges.tolist() == right["merges"]
        assert vocabulary.counts is not None
        assert vocabulary.unit is not None
        exact = [Fraction(count, vocabulary.unit) for count in vocabulary.counts]
        assert exact == [Fraction(priority) for priority in right["priorities"]]
        # The division of two integers in Python is correctly rounded.
        nearest = [priority.numerator / priority.denominator for priority in exact]
        assert vocabulary.priorities.tolist() == nearest
        assert len(vocabulary) == vocabulary.n_initial + len(right["merges"])


@pytest.mark.parametrize("name", SLICES)
def test_rank_order_and_canonical_tokens(shared: Path, name: str) -> None:
    for case in cases(shared / "golden" / name):
        vocabulary, right = case.train(), case.case
        for row in right["encode_in_rank_order"]:
            assert vocabulary.encode_flat(row["flat"]).tolist() == row["tokens"]
        rows = split(*vocabulary.canonical(case.features))
        checked = 0
        for item, row in zip(right["features"], rows, strict=True):
            if item in right["canonical_item_tokens"]:
                assert row == right["canonical_item_tokens"][item]
                checked += 1
        assert checked == len(right["canonical_item_tokens"])


def test_deterministic_tokens(shared: Path) -> None:
    right = json.loads((shared / "golden" / "small_deterministic.json").read_text())
    for case in cases(shared / "golden" / "small.json"):
        encoded = case.train().encode_deterministic(case.features, case.offsets, case.events)
        assert split(*encoded) == right[case.case["name"]]


def test_the_released_file_encodes_as_the_released_code(shared: Path) -> None:
    encodings = json.loads((shared / "golden" / "upstream_encodings.json").read_text())
    vocabulary = Vocabulary.load(shared / "golden" / encodings["file"])
    assert len(vocabulary) == 40_000
    assert vocabulary.counts is None
    assert vocabulary.unit is None
    assert vocabulary.size_asked is None
    for row in encodings["rank_order"]:
        assert vocabulary.encode_flat(row["flat"]).tolist() == row["tokens"]
    items = encodings["canonical"]
    rows = split(*vocabulary.canonical([item["features"] for item in items]))
    assert rows == [item["tokens"] for item in items]


def test_the_released_file_survives_a_round_trip(shared: Path, tmp_path: Path) -> None:
    path = shared / "golden" / "upstream_instruments_text_40000.json"
    Vocabulary.load(path).save(tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads(path.read_text())

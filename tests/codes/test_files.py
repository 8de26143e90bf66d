"""Codes from MQL4GRec's files: by id, and with every mistake named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clairo.codes import files
from clairo.errors import InputError

ITEMS = np.array(["B1", "B2", "B3"])
ROWS = {"0": ["<a_7>", "<b_0>"], "1": ["<a_3>", "<b_255>"], "2": ["<a_0>", "<b_1>"]}
CODES = [[7, 0], [3, 255], [0, 1]]


def write(folder: Path, content: Any, name: str = "Things.index_lemb.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def test_dense_ids_are_positions(tmp_path: Path) -> None:
    shuffled = {key: ROWS[key] for key in ("2", "0", "1")}
    made = files.read(write(tmp_path, shuffled), ITEMS, values=256)
    np.testing.assert_array_equal(made.codes, CODES)
    assert made.codes.dtype == np.uint32


def test_ids_of_the_items_come_first(tmp_path: Path) -> None:
    dense = np.array(["2", "0", "1"])  # a catalogue whose ids are dense ids, in another order
    np.testing.assert_array_equal(
        files.read(write(tmp_path, ROWS), dense, values=256).codes, [CODES[2], CODES[0], CODES[1]]
    )
    named = {"B3": ROWS["0"], "B2": ROWS["1"], "B1": ROWS["2"], "B9": ["<a_1>", "<b_1>"]}
    np.testing.assert_array_equal(files.read(write(tmp_path, named), ITEMS, values=256).codes, CODES[::-1])


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Instruments.index_lemb.json", "lemb"),
        ("Arts.index.json", "codes"),
        ("index_vitemb.json", "vitemb"),
        ("mine.json", "mine"),
    ],
)
def test_the_label_is_what_the_file_is_called(name: str, label: str, tmp_path: Path) -> None:
    assert files.read(write(tmp_path, ROWS, name), ITEMS, values=256).label == label


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON file"),
        ("[]", "holds no object of item id to codes"),
        ("{}", "holds no object of item id to codes"),
        ('{"0": ["<a_1>"], "1": ["<a_1>"], "0": ["<a_2>"]}', "item '0' occurs twice"),
        ({"0": ROWS["0"]}, "has the codes of 1 items, but the sequences have 3 items"),
        ({**ROWS, "3": ROWS["0"]}, "has the codes of 4 items, but the sequences have 3 items"),
        ({"0": ROWS["0"], "1": ROWS["1"], "3": ROWS["2"]}, r"no codes for item 2 \('B3'\)"),
        ({**ROWS, "0": []}, r"entry '0': \[\] is no list of codes"),
        ({**ROWS, "1": ["<a_3>"]}, r"entry '1': \['<a_3>'\] is no list of 2 codes"),
        ({**ROWS, "1": "<a_3><b_4>"}, "entry '1': '<a_3><b_4>' is no list of 2 codes"),
        ({**ROWS, "2": ["<a_3>", "<b_>"]}, "entry '2': '<b_>' is no code like '<a_170>'"),
        ({**ROWS, "2": ["<a_3>", 4]}, "entry '2': 4 is no code"),
        ({**ROWS, "2": ["<a_3>", "<b_-1>"]}, "entry '2': '<b_-1>' is no code"),
        (
            {**ROWS, "2": ["<b_3>", "<b_1>"]},
            "entry '2': code '<b_3>' stands where codes of other items begin",
        ),
        ({**ROWS, "2": ["<a_3>", "<b_256>"]}, r"entry '2': code '<b_256>' is not below codes\.values = 256"),
    ],
)
def test_what_is_wrong_is_named(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        files.read(write(tmp_path, content), ITEMS, values=256)
    assert "Things.index_lemb.json" in str(caught.value)


def test_codes_of_a_real_catalogue(shared: Path) -> None:
    folder = shared / "data" / "instruments"
    items = np.array(
        [line.split("\t")[0] for line in (folder / "Instruments.item2id").read_text().splitlines()]
    )
    path = folder / "Instruments.index_lemb.json"
    made = files.read(path, items, values=256)
    assert made.codes.shape == (6250, 4)
    raw = json.loads(path.read_text())
    for row in (0, 17, 6249):
        assert [f"<{'abcd'[place]}_{code}>" for place, code in enumerate(made.codes[row])] == raw[str(row)]

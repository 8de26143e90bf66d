"""The text of an item out of its fields."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from clairo.embeddings import item_text
from clairo.errors import InputError

FIELDS = ("title", "price", "brand", "features", "categories", "description", "text")


def test_compose_writes_sentences_in_the_order_of_the_fields() -> None:
    values = {
        "brand": "Fender",
        "title": "Stratocaster",
        "categories": ["Guitars", "Electric"],
        "features": ["Alder body!", "22 frets"],
        "price": "$599.00",
    }
    assert item_text.compose(values, FIELDS) == (
        "Stratocaster. Price: $599.00. Brand: Fender. Alder body! 22 frets. Categories: Guitars, Electric."
    )
    assert item_text.compose(values, ("brand", "title")) == "Brand: Fender. Stratocaster."


def test_compose_leaves_out_what_is_empty_and_squeezes_white_space() -> None:
    values = {"title": "  A\n red\tone. ", "brand": None, "features": [None, " "], "description": ""}
    assert item_text.compose(values, FIELDS) == "A red one."
    assert item_text.compose({}, FIELDS) == ""


def test_read_joins_by_id_and_not_by_position(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    pl.DataFrame({"item": ["c", "a", "x"], "title": ["third", "first", "extra"]}).write_parquet(path)
    assert item_text.read(path, np.array(["a", "b", "c"]), FIELDS) == ["first.", "", "third."]


def test_read_refuses_two_rows_of_one_item(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    pl.DataFrame({"item": ["a", "b", "b"], "title": ["1", "2", "3"]}).write_parquet(path)
    with pytest.raises(InputError, match="more than one row for item 'b'"):
        item_text.read(path, np.array(["a", "b"]), FIELDS)


@pytest.mark.parametrize("content", [b"", b"no parquet at all"])
def test_read_says_which_file_is_damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "items.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"items\.parquet cannot be read"):
        item_text.read(path, np.array(["a"]), FIELDS)


def test_read_refuses_a_table_without_ids(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    pl.DataFrame({"title": ["a"]}).write_parquet(path)
    with pytest.raises(InputError, match="has no column `item`"):
        item_text.read(path, np.array(["a"]), FIELDS)

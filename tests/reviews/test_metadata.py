"""Metadata of both releases into items, with every kind of dirt that is known."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clairo.errors import InputError
from clairo.reviews import lines, metadata

SPAN = '<span class="a-size-medium a-color-secondary"'
SCRIPT = "var aPageStart = (new Date()).getTime();\nvar ue_t0=ue_t0||+new Date();"
URL = "https://images.example/I/"


def _row(release: str, **changes: Any) -> dict[str, Any]:
    """A clean row of a release (`imageURL` or `image`); `...` takes a key away."""
    urls = {"imageURL": [f"{URL}s.jpg"], "imageURLHighRes": [f"{URL}l.jpg"]}
    row = {
        "category": ["Toys", "Puzzles"],
        "description": ["A puzzle.", "In a box."],
        "title": "Puzzle",
        "brand": "Ravenna",
        "feature": ["100 pieces", "Wooden"],
        "rank": "1 in Toys (",
        "details": {"Weight:": "1 ounce", "ASIN: ": "B1"},
        "price": "$9.99",
        "asin": "B1",
        **(urls if release == "imageURL" else {"image": [f"{URL}l.jpg", f"{URL}s.jpg"]}),
        **changes,
    }
    return {key: value for key, value in row.items() if value is not ...}


def _write(
    folder: Path, rows: list[dict[str, Any] | str], wanted: set[str] | None = None, *, skip: bool = False
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    path = folder / "meta_Toys.json"
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), "utf-8"
    )
    about = metadata.write(path, {"B1"} if wanted is None else wanted, folder, skip=skip)
    return pl.read_parquet(folder / metadata.FILE).to_dicts(), about


RELEASES = pytest.mark.parametrize("release", ["imageURL", "image"])


@RELEASES
def test_a_clean_row_comes_through(tmp_path: Path, release: str) -> None:
    (item,), about = _write(tmp_path, [_row(release)])
    assert item == {
        "item": "B1",
        "title": "Puzzle",
        "brand": "Ravenna",
        "price": "$9.99",
        "features": ["100 pieces", "Wooden"],
        "categories": ["Toys", "Puzzles"],
        "description": "A puzzle. In a box.",
        "image_urls": [f"{URL}l.jpg", f"{URL}s.jpg"],
    }
    dirt = {name: count for name, count in about["metadata"].items() if count}
    assert dirt == {"file": "meta_Toys.json", "rows": 1, "rank_as_text": 1}


DIRT: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({"title": SPAN}, {"title": None}, ["html_titles"]),
    ({"title": SCRIPT}, {"title": None}, ["script_titles"]),
    ({"title": f"<script>{SCRIPT}</script>"}, {"title": None}, ["script_titles", "html_titles"]),
    ({"title": ...}, {"title": None}, ["without_title"]),
    ({"title": None}, {"title": None}, ["without_title"]),
    ({"title": " "}, {"title": None}, ["without_title"]),
    ({"title": ["Puzzle", "of a cat"]}, {"title": "Puzzle of a cat"}, ["texts_as_lists"]),
    ({"title": {"en": "Puzzle"}}, {"title": None}, []),
    ({"title": 1984}, {"title": "1984"}, []),
    ({"title": "Half a pair \ud83d of letters"}, {"title": "Half a pair of letters"}, []),
    ({"title": "[Import] Puzzle"}, {"title": "[Import] Puzzle"}, []),
    ({"title": "Cat &amp; <b>Dog</b>"}, {"title": "Cat & Dog"}, ["entities", "html_titles"]),
    ({"title": "I <3 puzzles"}, {"title": "I <3 puzzles"}, []),
    ({"brand": "by\n    \n    Ravenna"}, {"brand": "Ravenna"}, []),
    ({"brand": ""}, {"brand": None}, []),
    ({"brand": ["Ravenna"]}, {"brand": "Ravenna"}, ["texts_as_lists"]),
    ({"description": ...}, {"description": None}, ["without_description"]),
    ({"description": []}, {"description": None}, ["without_description"]),
    ({"description": ["", " "]}, {"description": None}, ["without_description"]),
    ({"description": "One text."}, {"description": "One text."}, ["lists_as_texts"]),
    (
        {"description": ["<p>Say &quot;hi&quot;</p>", None, "<br>", "a\tb"]},
        {"description": 'Say "hi" a b'},
        ["html_descriptions", "entities"],
    ),
    ({"feature": "One"}, {"features": ["One"]}, ["lists_as_texts"]),
    ({"feature": ['<span class="a">\n One \n</span>', "<br>"]}, {"features": ["One"]}, []),
    ({"feature": []}, {"features": None}, []),
    ({"category": ["Toys", "</span></span></span>"]}, {"categories": ["Toys"]}, []),
    ({"category": "Toys"}, {"categories": ["Toys"]}, ["lists_as_texts"]),
    ({"price": "\n\n<script>P.when('a')</script>"}, {"price": None}, ["odd_prices"]),
    ({"price": ".a-box-inner{background-color:#fff}"}, {"price": None}, ["odd_prices"]),
    ({"price": ""}, {"price": None}, []),
    ({"price": 12.5}, {"price": "12.5"}, []),
    ({"price": ["$3.00"]}, {"price": "$3.00"}, ["texts_as_lists", "odd_prices"]),
    ({"rank": ["1 in Toys", "2 in Puzzles"]}, {}, ["rank_as_list"]),
    ({"rank": []}, {}, ["rank_as_list"]),
    ({"details": {"\n    Weight: \n    ": "1 ounce"}}, {}, ["newlines_in_keys"]),
    ({"details": {"Note:": "two\nlines"}}, {}, []),
    ({"details": "none"}, {}, []),
]


@RELEASES
@pytest.mark.parametrize(("changes", "expected", "counted"), DIRT)
def test_dirt_is_cleaned_and_counted(
    tmp_path: Path, release: str, changes: dict[str, Any], expected: dict[str, Any], counted: list[str]
) -> None:
    clean = _row(release, asin="B2")
    (item, other), about = _write(tmp_path, [_row(release, **changes), clean], {"B1", "B2"})
    assert {name: item[name] for name in expected} == expected
    assert other == {**_write(tmp_path, [clean], {"B2"})[0][0]}
    kinds = {name for name in metadata.KINDS if about["metadata"][name]} - {"rank_as_text"}
    assert kinds == set(counted)
    assert about["metadata"]["rank_as_text"] == (1 if "rank" in changes else 2)


@pytest.mark.parametrize("release", ["imageURL", "image"])
@pytest.mark.parametrize("images", [..., [], None, "", [""], [None]])
def test_items_without_image(tmp_path: Path, release: str, images: object) -> None:
    keys = ("imageURL", "imageURLHighRes") if release == "imageURL" else ("image",)
    (item,), about = _write(tmp_path, [_row(release, **dict.fromkeys(keys, images))])
    assert item["image_urls"] is None
    assert about["metadata"]["without_image"] == about["items"]["without_image_urls"] == 1


def test_image_urls_are_those_of_high_resolution_first_and_each_once(tmp_path: Path) -> None:
    row = _row("imageURL", imageURL=[f"{URL}s.jpg", f"{URL}l.jpg", "none"], image=f"{URL}x.jpg")
    (item,), about = _write(tmp_path, [row])
    assert item["image_urls"] == [f"{URL}l.jpg", f"{URL}s.jpg", f"{URL}x.jpg"]
    assert about["metadata"]["lists_as_texts"] == 1


def test_the_one_image_of_the_oldest_release_counts(tmp_path: Path) -> None:
    (item,), about = _write(tmp_path, [_row("image", image=..., imUrl=f"{URL}o.jpg")])
    assert item["image_urls"] == [f"{URL}o.jpg"]
    assert about["metadata"]["without_image"] == about["metadata"]["lists_as_texts"] == 0


def test_the_first_of_rows_with_one_asin_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "CHUNK", 300)
    rows: list[dict[str, Any] | str] = [
        _row("image", asin=asin, title=f"{n}") for n, asin in enumerate("ABABCAD")
    ]
    items, about = _write(tmp_path, rows, {"A", "B", "D", "Z", "Y"})
    assert [(item["item"], item["title"]) for item in items] == [
        ("A", "0"),
        ("B", "1"),
        ("D", "6"),
        ("Y", None),
        ("Z", None),
    ]
    assert about["metadata"]["repeated_asins"] == 3
    assert about["items"]["without_metadata"] == 2
    assert about["items"]["without_title"] == about["items"]["without_categories"] == 2


def test_without_metadata_items_have_their_id_alone(tmp_path: Path) -> None:
    about = metadata.write(None, {"B", "A"}, tmp_path, skip=False)
    frame = pl.read_parquet(tmp_path / metadata.FILE)
    assert frame.schema == {
        "item": pl.String,
        "title": pl.String,
        "brand": pl.String,
        "price": pl.String,
        "features": pl.List(pl.String),
        "categories": pl.List(pl.String),
        "description": pl.String,
        "image_urls": pl.List(pl.String),
    }
    assert frame["item"].to_list() == ["A", "B"]
    assert frame.drop("item").null_count().row(0) == (2,) * 7
    assert about["metadata"] is None
    assert about["items"]["without_metadata"] == 2


@pytest.mark.parametrize("broken", ['{"asin": "B', "[]", '{"title": "no asin"}', '{"asin": ["B1"]}'])
def test_broken_lines_are_named_or_skipped(tmp_path: Path, broken: str) -> None:
    rows: list[dict[str, Any] | str] = [_row("image"), "", broken, _row("image", asin="B2")]
    with pytest.raises(InputError, match=r"meta_Toys\.json, line 3: "):
        _write(tmp_path, rows)
    items, about = _write(tmp_path, rows, {"B1", "B2"}, skip=True)
    assert [item["title"] for item in items] == ["Puzzle", "Puzzle"]
    assert about["metadata"]["broken_lines"] + about["metadata"]["without_asin"] == 1


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no JSON object"):
        _write(tmp_path, [])


STRINGS = st.text(st.characters(exclude_categories=["Cs"])).map(
    lambda text: text.replace("<", "").replace("&", "")
)


@given(title=STRINGS, features=STRINGS | st.lists(STRINGS))
@example(title="\\", features=["C:\\dir", '"', "[", "\\"])
def test_words_come_through_as_published(
    tmp_path_factory: pytest.TempPathFactory, title: str, features: str | list[str]
) -> None:
    row = _row("image", title=title, feature=features)
    (item,), _ = _write(tmp_path_factory.mktemp("items"), [row])
    listed = [features] if isinstance(features, str) else features
    assert item["title"] == (_words(title) or None)
    assert item["features"] == ([words for text in listed if (words := _words(text))] or None)


def _words(text: str) -> str:
    return " ".join(
        "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in text).split()
    )

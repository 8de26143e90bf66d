"""The files of the shop: their bytes, their format, their dirt."""

import datetime as dt
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clairo.errors import InputError
from clairo.shop import ShopFiles, Truth, describe, write_shop
from clairo.shop.dirt import METADATA
from clairo.shop.reviews import unix_time

USERS, ITEMS, SEED, DIRTY = 120, 90, 3, 0.3


def lines(path: Path) -> list[Any]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> ShopFiles:
    folder = tmp_path_factory.mktemp("shop")
    return write_shop(folder, users=USERS, items=ITEMS, seed=SEED, dirty=DIRTY)


@pytest.fixture(scope="module")
def reviews(shop: ShopFiles) -> list[Any]:
    return lines(shop.reviews)


@pytest.fixture(scope="module")
def metadata(shop: ShopFiles) -> list[Any]:
    return lines(shop.metadata)


@pytest.fixture(scope="module")
def about(shop: ShopFiles) -> Any:
    return json.loads(shop.about.read_text("utf-8"))


def test_equal_arguments_make_equal_bytes(shop: ShopFiles, tmp_path: Path) -> None:
    again = write_shop(tmp_path / "deep" / "again", users=USERS, items=ITEMS, seed=SEED, dirty=DIRTY)
    assert contents(again.about.parent) == contents(shop.about.parent)


def test_another_seed_makes_another_shop(shop: ShopFiles, tmp_path: Path) -> None:
    other = write_shop(tmp_path, users=USERS, items=ITEMS, seed=SEED + 1, dirty=DIRTY)
    names = (other.reviews.name, other.metadata.name)
    assert all((tmp_path / name).read_bytes() != (shop.about.parent / name).read_bytes() for name in names)


def test_gzip_holds_neither_time_nor_name(shop: ShopFiles) -> None:
    for path in (shop.reviews, shop.metadata):
        head = path.read_bytes()[:8]
        assert head[3] == 0
        assert head[4:8] == bytes(4)


def test_dirt_moves_no_purchase_but_to_the_day_before(shop: ShopFiles, tmp_path: Path) -> None:
    """Words and pictures are drawn apart from the dirt: clean rows are the same in a clean shop."""
    clean = write_shop(tmp_path, users=USERS, items=ITEMS, seed=SEED, dirty=0.0)
    truth, dirty = Truth.load(tmp_path), Truth.load(shop.about.parent)
    assert (truth.catalogue.theme == dirty.catalogue.theme).all()
    assert (truth.shoppers.look == dirty.shoppers.look).all()
    clean_rows = {row["asin"]: row for row in lines(clean.metadata)}
    same = sum(clean_rows[row["asin"]] == row for row in lines(shop.metadata))
    copies = 2 * json.loads(shop.about.read_text("utf-8"))["dirt"]["metadata"]["duplicated_asin"]
    assert same == ITEMS - round(DIRTY * ITEMS) + copies


def test_reviews_have_the_published_fields(reviews: list[Any]) -> None:
    types = {
        "overall": float,
        "vote": str,
        "verified": bool,
        "reviewTime": str,
        "reviewerID": str,
        "asin": str,
        "style": dict,
        "reviewerName": str,
        "reviewText": str,
        "summary": str,
        "unixReviewTime": int,
    }
    optional = {"vote", "style", "reviewText"}
    for review in reviews:
        assert list(review) == [key for key in types if key in review]
        assert set(types) - set(review) <= optional
        assert all(type(value) is types[key] for key, value in review.items())
        assert 1 <= review["overall"] <= 5


def test_metadata_has_the_published_fields(metadata: list[Any]) -> None:
    lists = {"category", "description", "also_buy", "feature", "also_view", "imageURL", "imageURLHighRes"}
    for record in metadata:
        for key, value in record.items():
            kind = list if key in lists else dict if key == "details" else str
            assert type(value) is kind or (key == "rank" and type(value) is list), key


def test_fields_and_their_order_are_those_of_a_published_file(
    metadata: list[Any], reviews: list[Any], shared: Path
) -> None:
    folder = shared / "data" / "raw-gift-cards"
    published = lines(folder / "meta_Gift_Cards.json.gz")[0]
    full = [record for record in metadata if len(record) == len(published)]
    assert all(list(record) == list(published) for record in full)
    assert len(full) > 0.9 * len(metadata)
    shapes = {tuple(review) for review in lines(folder / "Gift_Cards_5.json.gz")}
    assert {tuple(review) for review in reviews if "reviewText" in review} <= shapes


def test_reviews_lie_by_item_and_from_new_to_old(reviews: list[Any]) -> None:
    keys = [(review["asin"], -review["unixReviewTime"]) for review in reviews]
    assert keys == sorted(keys)


def test_days_are_written_as_published(reviews: list[Any]) -> None:
    assert unix_time(0) == 1356998400  # 1 January 2013
    for review in reviews:
        day = dt.datetime.fromtimestamp(review["unixReviewTime"], dt.UTC)
        assert review["unixReviewTime"] % 86400 == 0
        assert review["reviewTime"] == f"{day:%m} {day.day}, {day.year}"


def test_reviews_and_truth_tell_the_same_purchases(shop: ShopFiles, reviews: list[Any]) -> None:
    """Sorting the file by user and day gives the planted histories, ties and copies aside."""
    truth = Truth.load(shop.about.parent)
    first = dict[tuple[str, str], int]()
    for review in sorted(reviews, key=lambda review: review["unixReviewTime"]):
        first.setdefault((review["reviewerID"], review["asin"]), review["unixReviewTime"])
    assert len(first) == len(truth.events)
    for user, name in enumerate(truth.shoppers.ids.tolist()):
        days = truth.shoppers.days[truth.shoppers.offsets[user] : truth.shoppers.offsets[user + 1]]
        items = truth.catalogue.ids[truth.history(user)]
        assert [first[name, item] for item in items.tolist()] == [unix_time(day) for day in days.tolist()]


def test_every_kind_of_dirty_metadata_is_there_as_counted(metadata: list[Any], about: Any) -> None:
    def count(test: Any) -> int:
        return sum(bool(test(record)) for record in metadata)

    found = {
        "duplicated_asin": len(metadata) - len({record["asin"] for record in metadata}),
        "html_title": count(lambda r: r.get("title", "").startswith("<span")),
        "script_title": count(lambda r: "getTime" in r.get("title", "")),
        "missing_title": count(lambda r: "title" not in r),
        "html_description": count(lambda r: any("<div" in text for text in r.get("description", []))),
        "empty_description": count(lambda r: r.get("description") == []),
        "missing_description": count(lambda r: "description" not in r),
        "missing_image": count(lambda r: r["imageURL"] == [] and r["imageURLHighRes"] == []),
        "rank_list": count(lambda r: isinstance(r["rank"], list)),
        "style_price": count(lambda r: r["price"].startswith(".a-box-inner")),
        "script_price": count(lambda r: "<script" in r["price"]),
        "entities": count(lambda r: "&amp;" in r["category"][0] and "&amp;" in r["title"]),
        "newline_keys": count(lambda r: any("\n" in key for key in r["details"])),
        "broken_lines": 0,
    }
    assert found == about["dirt"]["metadata"]
    assert set(METADATA) == set(found) - {"broken_lines"}
    kinds = [n for kind, n in found.items() if kind != "broken_lines"]
    assert sum(kinds) == round(DIRTY * ITEMS)
    assert min(kinds) >= 1
    assert max(kinds) - min(kinds) <= 1


def test_every_kind_of_dirty_review_is_there_as_counted(reviews: list[Any], about: Any) -> None:
    pairs = Counter((review["reviewerID"], review["asin"]) for review in reviews)
    days = Counter[tuple[str, int]]()
    seen = set[tuple[str, str]]()
    for review in sorted(reviews, key=lambda review: review["unixReviewTime"]):
        pair = review["reviewerID"], review["asin"]
        days[review["reviewerID"], review["unixReviewTime"]] += pair not in seen
        seen.add(pair)
    found = {
        "missing_text": sum("reviewText" not in review for review in reviews),
        "duplicated_review": sum(pairs.values()) - len(pairs),
        "same_day": sum(n - 1 for n in days.values() if n),
        "broken_lines": 0,
    }
    assert found == about["dirt"]["reviews"]
    assert about["purchases"] == len(reviews) - found["duplicated_review"]
    assert sum(found.values()) == pytest.approx(DIRTY * about["purchases"], abs=2)


def test_copies_of_a_review_are_exact_or_later(reviews: list[Any]) -> None:
    rows = dict[tuple[str, str], list[Any]]()
    for review in reviews:
        rows.setdefault((review["reviewerID"], review["asin"]), []).append(review)
    pairs = [pair for pair in rows.values() if len(pair) > 1]
    exact = sum(newer == older for newer, older in pairs)
    later = sum(newer["unixReviewTime"] > older["unixReviewTime"] for newer, older in pairs)
    assert exact + later == len(pairs)
    assert min(exact, later) > 0.3 * len(pairs)


def test_pictures_are_those_that_metadata_names(shop: ShopFiles, metadata: list[Any]) -> None:
    pictures = {path.stem for path in shop.images.iterdir()}
    assert pictures == {record["asin"] for record in metadata if record["imageURL"]}
    for path in list(shop.images.iterdir())[:5]:
        with Image.open(path) as picture:
            assert (picture.format, picture.size, picture.mode) == ("JPEG", (96, 96), "RGB")


def test_a_clean_shop_is_clean(tmp_path: Path) -> None:
    shop = write_shop(tmp_path, users=30, items=20, seed=0, dirty=0.0)
    dirt = json.loads(shop.about.read_text("utf-8"))["dirt"]
    assert not any(dirt["metadata"].values())
    assert not any(dirt["reviews"].values())
    assert len(lines(shop.metadata)) == len(list(shop.images.iterdir())) == 20


def test_a_little_dirt_has_every_kind(tmp_path: Path) -> None:
    shop = write_shop(tmp_path, users=30, items=20, seed=0, dirty=0.01)
    dirt = json.loads(shop.about.read_text("utf-8"))["dirt"]
    assert {kind: n for kind, n in dirt["metadata"].items() if kind != "broken_lines"} == dict.fromkeys(
        METADATA, 1
    )
    assert min(dirt["reviews"][kind] for kind in ("missing_text", "duplicated_review", "same_day")) >= 1


def test_broken_lines_are_broken_and_take_no_row_away(tmp_path: Path) -> None:
    whole = write_shop(tmp_path / "whole", users=30, items=20, seed=0, dirty=0.1)
    broken = write_shop(tmp_path / "broken", users=30, items=20, seed=0, dirty=0.1, broken_lines=3)
    for good, bad in ((whole.reviews, broken.reviews), (whole.metadata, broken.metadata)):
        good_lines, bad_lines = (gzip.decompress(path.read_bytes()).splitlines() for path in (good, bad))
        faults = [line for line in bad_lines if not line.endswith(b"}")]
        assert len(faults) == 3
        assert [line for line in bad_lines if line not in faults] == good_lines
        for fault in faults:
            with pytest.raises(json.JSONDecodeError):
                json.loads(fault)


def test_the_smallest_shop_can_be_written(tmp_path: Path) -> None:
    shop = write_shop(tmp_path, users=1, items=10, seed=0, dirty=1.0)
    truth = Truth.load(shop.about.parent)
    assert len(np.unique(truth.events)) == len(truth.events) == 5


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"users": 0}, "at least one user"),
        ({"items": 9}, "at least 10 items"),
        ({"dirty": 1.5}, "between 0 and 1"),
        ({"broken_lines": -1}, "not negative"),
    ],
)
def test_arguments_out_of_range_are_told(tmp_path: Path, wrong: dict[str, Any], words: str) -> None:
    arguments: dict[str, Any] = {"users": 10, "items": 20, "seed": 0, "dirty": 0.0, **wrong}
    with pytest.raises(InputError, match=words):
        write_shop(tmp_path / "shop", **arguments)
    assert not (tmp_path / "shop").exists()


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(InputError, match="not an empty folder"):
        write_shop(tmp_path, users=10, items=20, seed=0, dirty=0.0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_without_a_shop_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Truth.load(tmp_path)


def test_the_description_is_in_the_shop(about: Any) -> None:
    assert "\n".join(about["about"]) == describe()
    assert max(map(len, about["about"])) <= 100

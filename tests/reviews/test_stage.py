"""The reviews stage, on real files and the built-in shop."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from clairo.artifacts import store
from clairo.config import ReviewsConfig, ShopConfig
from clairo.errors import InputError
from clairo.reviews import inputs, make, read_new

REVIEWS, METADATA = "raw-gift-cards/Gift_Cards_5.json.gz", "raw-gift-cards/meta_Gift_Cards.json.gz"


def _gift_cards(shared: Path, metadata: str | None = METADATA) -> ReviewsConfig:
    data = shared / "data"
    return ReviewsConfig(reviews=data / REVIEWS, metadata=data / metadata if metadata else None)


def test_gift_cards_hold_what_is_known_of_them(shared: Path, tmp_path: Path) -> None:
    report = make(_gift_cards(shared), out=tmp_path, seed=0)
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == report
    reviews, metadata = report["reviews"], report["metadata"]
    assert (reviews["events"], reviews["users"], reviews["items"]) == (2972, 458, 148)
    assert (reviews["repeated_pairs"], reviews["without_text"], reviews["without_rating"]) == (7, 6, 0)
    assert (metadata["rows"], metadata["repeated_asins"], metadata["without_image"]) == (1547, 0, 887)
    assert (metadata["rank_as_text"], metadata["rank_as_list"], metadata["odd_prices"]) == (827, 720, 4)
    assert metadata["newlines_in_keys"] == _details_with_newlines(shared / "data" / METADATA)
    assert report["items"]["without_metadata"] == 0
    events = pl.read_parquet(tmp_path / "events.parquet")
    with gzip.open(shared / "data" / REVIEWS, "rt", encoding="utf-8") as file:
        published = [json.loads(line) for line in file]
    assert events.rows() == [
        (row["asin"], row["reviewerID"], row["unixReviewTime"], row["overall"], n)
        for n, row in enumerate(published)
    ]


def test_new_items_are_all_that_the_metadata_name_each_by_its_first_row(tmp_path: Path) -> None:
    rows = [("B", "second <b>item</b>"), ("A", "first"), ("B", "again"), ("C", None)]
    path = tmp_path / "meta.json"
    path.write_text("".join(json.dumps({"asin": asin, "title": title}) + "\n" for asin, title in rows))
    report = read_new(path, None, out=tmp_path, skip=False)
    table = pl.read_parquet(tmp_path / "items.parquet")
    assert table.select("item", "title").rows() == [("B", "second item"), ("A", "first"), ("C", None)]
    assert report == json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["metadata"]["repeated_asins"] == 1
    assert report["items"] == report["items"] | {"items": 3, "without_title": 1, "without_metadata": 0}
    assert not (tmp_path / "events.parquet").exists()


def _details_with_newlines(path: Path) -> int:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return sum(any("\n" in key for key in json.loads(line)["details"]) for line in file)


def test_both_releases_of_the_metadata_make_the_same_items(shared: Path, tmp_path: Path) -> None:
    tables = []
    for name in (METADATA, "raw-gift-cards/meta_Gift_Cards.v2.json.gz"):
        make(_gift_cards(shared, name), out=tmp_path, seed=0)
        tables.append(pl.read_parquet(tmp_path / "items.parquet"))
    assert tables[0].drop("image_urls").equals(tables[1].drop("image_urls"))
    with_image = [table["image_urls"].is_not_null().to_list() for table in tables]
    assert with_image[0] == with_image[1]
    assert 0 < sum(with_image[0]) < 148


def test_magazines_are_as_dirty_as_is_known(shared: Path, tmp_path: Path) -> None:
    path = shared / "data/raw-magazines/meta_Magazine_Subscriptions.json.gz"
    with gzip.open(path, "rt", encoding="utf-8") as file:
        asins = {json.loads(line)["asin"] for line in file}
    ratings = tmp_path / "ratings.csv"
    ratings.write_text("".join(f"{asin},A1UBHTUUIFJUT,5.0,{n}\n" for n, asin in enumerate(sorted(asins))))
    report = make(ReviewsConfig(reviews=ratings, metadata=path), out=tmp_path, seed=0)
    assert report["metadata"]["rows"] == 3385
    assert report["metadata"]["repeated_asins"] == 1065
    assert report["metadata"]["html_titles"] == 3153
    items = pl.read_parquet(tmp_path / "items.parquet")
    assert items.height == 3385 - 1065
    texts = pl.concat([items["title"], items["brand"], items["description"], items["categories"].explode()])
    assert not texts.str.contains(r"<(?:span|br|i|b|p|a|td|img|font)\b|&amp;|&#").any()


def test_without_metadata_items_are_their_ids(shared: Path, tmp_path: Path) -> None:
    report = make(_gift_cards(shared, None), out=tmp_path, seed=0)
    assert report["metadata"] is None
    assert report["items"]["without_metadata"] == 148
    assert pl.read_parquet(tmp_path / "items.parquet")["item"].is_sorted()


def test_outputs_do_not_depend_on_where_they_lie(shared: Path, tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b" / "c"]
    for folder in folders:
        folder.mkdir(parents=True)
        make(_gift_cards(shared), out=folder, seed=0)
    for name in ("events.parquet", "items.parquet", "report.json"):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()
        assert str(tmp_path).encode() not in (folders[0] / name).read_bytes()


def test_what_a_killed_run_left_is_overwritten(shared: Path, tmp_path: Path) -> None:
    for name in ("events.parquet", "items.parquet", "report.json"):
        (tmp_path / name).write_bytes(b"half a file")
    make(_gift_cards(shared), out=tmp_path, seed=0)
    assert pl.read_parquet(tmp_path / "events.parquet").height == 2972


def test_the_shop_is_written_and_read(tmp_path: Path) -> None:
    cfg = ReviewsConfig(source="shop", shop=ShopConfig(users=60, items=80, dirty=0.2))
    report = make(cfg, out=tmp_path, seed=3)
    assert inputs(cfg) == []
    events = pl.read_parquet(tmp_path / "events.parquet")
    items = pl.read_parquet(tmp_path / "items.parquet")
    assert 0 < report["reviews"]["users"] <= 60
    assert set(items["item"]) == set(events["item"])
    assert (tmp_path / "shop" / "images").is_dir()
    assert items["title"].null_count() < items.height // 2


def test_half_a_shop_of_a_stopped_attempt_is_written_anew(tmp_path: Path) -> None:
    cfg = ReviewsConfig(source="shop", shop=ShopConfig(users=20, items=60))
    whole, again = tmp_path / "whole", tmp_path / "again"
    for out in (whole, again):
        out.mkdir()
    (again / "shop" / "images").mkdir(parents=True)
    (again / "shop" / "images" / "left.jpg").write_bytes(b"half a picture")
    make(cfg, out=whole, seed=1)
    make(cfg, out=again, seed=1)
    assert store.outputs(again) == store.outputs(whole)


def test_the_seed_of_the_shop_is_its_own_if_it_has_one(tmp_path: Path) -> None:
    def events(shop_seed: int | None, seed: int) -> bytes:
        out = tmp_path / f"{shop_seed}-{seed}"
        out.mkdir()
        shop = ShopConfig(users=20, items=60, seed=shop_seed)
        make(ReviewsConfig(source="shop", shop=shop), out=out, seed=seed)
        return (out / "events.parquet").read_bytes()

    assert events(5, 1) == events(5, 2) == events(None, 5)
    assert events(None, 1) != events(None, 2)


@pytest.mark.parametrize("option", ["reviews", "metadata"])
def test_a_missing_file_is_named_with_its_option(tmp_path: Path, option: str) -> None:
    there = tmp_path / "there.json"
    there.write_text("{}")
    for path, word in ((tmp_path / "none.json", "no file"), (tmp_path, "folder")):
        cfg = ReviewsConfig.model_validate({"reviews": there, "metadata": there, option: path})
        with pytest.raises(InputError, match=rf"reviews\.{option}\b.*{word}"):
            inputs(cfg)
        with pytest.raises(InputError, match=rf"reviews\.{option}\b"):
            make(cfg, out=tmp_path, seed=0)


def test_nothing_set_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        make(ReviewsConfig(), out=tmp_path, seed=0)
    assert "reviews.reviews" in str(caught.value)
    assert "reviews.metadata" in str(caught.value)
    assert "shop" in str(caught.value)


def test_importing_the_room_does_not_import_polars() -> None:
    code = "import sys, clairo.reviews, clairo.sequences; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


_PEAK = """
import resource, sys
from pathlib import Path
from clairo.config import ReviewsConfig
from clairo.reviews import make
make(ReviewsConfig(reviews=Path(sys.argv[1])), out=Path(sys.argv[2]), seed=0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Ten times the file, stored uncompressed inside the gzip stream, costs next to nothing."""

    def peak(copies: int) -> int:
        path = tmp_path / "reviews.json.gz"
        with gzip.open(path, "wb", compresslevel=0) as file:
            for copy in range(copies):
                file.writelines(
                    b'{"asin": "B%09d", "reviewerID": "A%09d", "unixReviewTime": %d, "reviewText": "%s"}\n'
                    % (n, copy, n, b"word " * 150)
                    for n in range(1000)
                )
        done = subprocess.run(
            [sys.executable, "-c", _PEAK, str(path), str(tmp_path)],
            check=True,
            capture_output=True,
            text=True,
        )
        return int(done.stdout)

    small, large = peak(15), peak(150)  # 12 and 120 MB
    assert large - small < 40

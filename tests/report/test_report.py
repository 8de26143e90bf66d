"""The whole stage on a small run folder: what the JSON must hold, and what the page must not."""

import json
import math
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from clairo.config import ReportConfig
from clairo.report import make
from clairo.report.pages import html

STAGES = [
    "reviews", "sequences", "embeddings", "fused", "codes", "vocabulary", "model", "recommendations",
]  # fmt: skip
ACCURACY = [f"{metric}@{k}" for metric in ("recall", "ndcg") for k in (5, 10, 20, 50)]
RIVALS = ["popularity", "markov", "item2item", "linear"]


def _make(run: Path, out: Path, stages: list[str] = STAGES, **options: Any) -> tuple[dict[str, Any], str]:
    out.mkdir()
    make(ReportConfig(resamples=60, **options), run=run, out=out, seed=3, stages=stages)
    return json.loads((out / "report.json").read_text("utf-8")), (out / "report.html").read_text("utf-8")


@pytest.fixture
def made(write_run: Any, tmp_path: Path) -> tuple[dict[str, Any], str]:
    return _make(write_run(), tmp_path / "out")


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _leaves(entry)
    else:
        yield value


class _Page(HTMLParser):
    """Tags and attributes of a page, and whether all tags close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def count(self, tag: str) -> int:
        return sum(found == tag for found, _ in self.tags)


def test_the_json_has_the_keys_that_others_rely_on(made: tuple[dict[str, Any], str]) -> None:
    report, _ = made
    assert {"users": 90, "items": 70}.items() <= report["dataset"].items()
    assert report["dataset"]["events"] == 1438
    assert set(ACCURACY) <= report["validation"].keys()
    assert {*report["validation"], "coverage@10", "invalid_rate"} <= report["test"].keys()
    assert report["masked"].keys() == report["test"].keys()
    assert list(report["baselines"]) == sorted(RIVALS)
    for rival in RIVALS:
        for name in ("test", "masked"):
            assert {*ACCURACY, "coverage@10", "gini@10", "tail_share@10"} <= report["baselines"][rival][
                name
            ].keys()
    assert all(isinstance(value, int | float) for value in report["test"].values())


def test_the_numbers_are_those_of_the_lists(made: tuple[dict[str, Any], str], tmp_path: Path) -> None:
    report, _ = made
    rows = pl.read_parquet(tmp_path / "run" / "recommendations" / "item2item.parquet")
    rows = rows.filter((pl.col("split") == "test") & pl.col("masked"))
    gains, shown = [], set()
    for items, target in rows.select("items", "target").iter_rows():
        first = items[:10]
        gains.append(1 / math.log2(first.index(target) + 2) if target in first else 0.0)
        shown.update(first)
    found = report["baselines"]["item2item"]["masked"]
    assert found["ndcg@10"] == pytest.approx(np.mean(gains))
    assert found["coverage@10"] == len(shown) / 70
    assert report["test"]["invalid_rate"] == 45 / 9000


def test_every_interval_holds_its_mean_and_every_gap_adds_up(made: tuple[dict[str, Any], str]) -> None:
    report, _ = made
    for name in ("validation", "test", "masked"):
        for metric in ACCURACY:
            for system in ("model", *RIVALS):
                means = report if system == "model" else report["baselines"][system]
                low, high = report["intervals"][system][name][metric]
                assert low <= means[name][metric] <= high
            for rival in RIVALS:
                gap = report["differences"][rival][name][metric]
                theirs = report["baselines"][rival][name][metric]
                assert gap["difference"] == pytest.approx(report[name][metric] - theirs)


def test_slices_add_up_to_the_whole(made: tuple[dict[str, Any], str]) -> None:
    report, _ = made
    for name, partitions in report["slices"].items():
        assert len(partitions) == 4
        for parts in partitions.values():
            assert sum(part["users"] for part in parts) == report["samples"][name]["users"] == 90
            mean = sum(part["users"] * part["means"]["model"]["ndcg@10"] for part in parts) / 90
            assert mean == pytest.approx(report[name]["ndcg@10"])
    for shares in report["popularity"]["recommended"]["test"].values():
        assert sum(shares) == pytest.approx(1.0)


def test_a_diverged_loss_is_null_and_all_numbers_are_finite(made: tuple[dict[str, Any], str]) -> None:
    report, _ = made
    assert report["training"]["epochs"][-1]["loss"] is None
    assert report["training"]["best_epoch"] == 8
    assert report["training"]["iterations_per_second"] == pytest.approx(10.0)
    assert all(math.isfinite(leaf) for leaf in _leaves(report) if isinstance(leaf, float))


def test_a_sample_of_users_is_said(write_run: Any, tmp_path: Path) -> None:
    report, page = _make(write_run(share=0.5), tmp_path / "out")
    assert report["samples"]["test"] == {"sampled": True, "users": 45, "of": 90}
    assert report["baselines"]["markov"]["test"]["users"] == 45
    assert "a random sample of 45 of the 90 users" in page


def test_the_page_is_made_of_the_json_alone_and_the_same_every_time(write_run: Any, tmp_path: Path) -> None:
    report, page = _make(write_run(name="first"), tmp_path / "a")
    _make(write_run(name="second"), tmp_path / "b")
    assert html(report) == page
    for file in ("report.json", "report.html"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert str(tmp_path) not in page + (tmp_path / "a" / "report.json").read_text("utf-8")


def test_the_page_loads_nothing_and_runs_nothing(made: tuple[dict[str, Any], str]) -> None:
    _, text = made
    page = _Page(text)
    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & {
        tag for tag, _ in page.tags
    }
    for tag, attributes in page.tags:
        assert not {"src", "srcset", "xlink:href", "style"} & attributes.keys()
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#"), tag
    assert not re.search(r"https?://|@import|url\(", text)
    policy = next(found["content"] for tag, found in page.tags if "http-equiv" in found and tag == "meta")
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_text_of_the_data_is_escaped(write_run: Any, tmp_path: Path) -> None:
    run = write_run()
    _, text = _make(run, tmp_path / "out", title="<i>title</i>")
    assert "<i>" not in text
    assert "&lt;i&gt;title&lt;/i&gt;" in text
    assert "&lt;script&gt;alert(" in text
    assert "&lt;/pre&gt;&lt;b&gt;bold" in text
    assert _Page(text).count("pre") == 1


def test_tables_have_heads_and_charts_have_words(made: tuple[dict[str, Any], str]) -> None:
    page = _Page(made[1])
    assert page.count("table") == page.count("caption") > 15
    assert all(found["scope"] for tag, found in page.tags if tag == "th")
    assert not re.search(r"<th[^>]*></th>", made[1])
    charts = [found for tag, found in page.tags if tag == "svg" and found["class"] == "chart"]
    assert len(charts) >= 7
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in charts)
    links = {found["href"] for tag, found in page.tags if tag == "a"}
    assert links == {f"#{found['id']}" for tag, found in page.tags if tag == "section"}


def test_the_page_says_how_the_model_stands(made: tuple[dict[str, Any], str]) -> None:
    report, text = made
    gap = report["differences"]["popularity"]["test"]["ndcg@10"]
    assert gap["verdict"] == "above"
    assert f"above popularity (+{gap['difference']:.4f}" in text
    best = max(
        report["test"]["ndcg@10"], *(report["baselines"][rival]["test"]["ndcg@10"] for rival in RIVALS)
    )
    assert f"<strong>{best:.4f}</strong>" in text


def test_the_page_says_what_the_search_left_open(made: tuple[dict[str, Any], str]) -> None:
    _, text = made
    assert "2 of 90 lists of masked test short; popularity filled their last 31 places" in text
    assert "lists of test short" not in text
    assert "30.0 users a second" in text
    assert "<strong>0.2750</strong>" in text  # the chosen cell of the grid
    assert "Item-to-item&#39;s NDCG@10 on validation by window and decay" in text
    assert "Linear item-to-item&#39;s NDCG@10 on validation by penalty and decay" in text
    assert "<strong>0.1000</strong>" in text


@pytest.mark.parametrize(
    ("stages", "missing"),
    [
        (["sequences", "codes", "vocabulary", "model", "recommendations"], []),
        (["reviews", "sequences"], ["results", "slices", "examples", "training", "tokens"]),
        (["sequences", "recommendations"], ["training", "tokens"]),
    ],
)
def test_stages_that_a_run_does_without_leave_no_gap(
    write_run: Any, tmp_path: Path, stages: list[str], missing: list[str]
) -> None:
    run = write_run(stages=["sequences", *stages])
    report, text = _make(run, tmp_path / "out", stages)
    sections = [found["id"] for tag, found in _Page(text).tags if tag == "section"]
    every = ["results", "slices", "catalogue", "examples", "training", "tokens", "data", "costs", "method"]
    assert sections == [name for name in every if name not in missing]
    assert sorted(report["stages"]) == sorted(stages)


def test_folders_of_another_run_are_left_alone(write_run: Any, tmp_path: Path) -> None:
    own = ["sequences", "codes", "vocabulary", "model", "recommendations"]
    report, text = _make(write_run(), tmp_path / "out", own)
    assert sorted(report["stages"]) == sorted(own)
    assert "What fused noted" not in text


def test_a_rival_that_was_not_made_is_not_shown(write_run: Any, tmp_path: Path) -> None:
    run = write_run()
    (run / "recommendations" / "markov.parquet").unlink()
    report, text = _make(run, tmp_path / "out")
    assert sorted(report["baselines"]) == ["item2item", "linear", "popularity"]
    assert "Markov" not in text


def test_the_page_shows_codebooks_dirt_and_warnings(made: tuple[dict[str, Any], str]) -> None:
    _, text = made
    assert "2 of 70 items share all their codes with another" in text
    assert re.search(r"text 1</th><td[^>]*>8</td><td[^>]*>7</td><td[^>]*>87\.5%", text)
    assert "<li>fused: &lt;script&gt;" in text
    assert "dirt, no title" in text
    assert "123,456" in text  # the model has a summary and no report of its own

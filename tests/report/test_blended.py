"""A run that recommends by a blend: it stands at the top, with the model alone and all rivals beside it."""

import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clairo.config import ReportConfig
from clairo.errors import InputError
from clairo.report import make
from clairo.report.comparison import compare

STAGES = ["sequences", "recommendations"]
ALL = ["blend", "model", "popularity", "markov", "item2item", "linear"]


def made(run: Path) -> tuple[dict[str, Any], str]:
    out = run / "report"
    out.mkdir()
    make(ReportConfig(resamples=60), run=run, out=out, seed=3, stages=STAGES)
    return json.loads((out / "report.json").read_text("utf-8")), (out / "report.html").read_text("utf-8")


def hits(run: Path, file: str, condition: tuple[str, bool]) -> float:
    rows = pl.read_parquet(run / "recommendations" / f"{file}.parquet").filter(
        (pl.col("split") == condition[0]) & (pl.col("masked") == condition[1])
    )
    return sum(target in items[:10] for items, target in rows.select("items", "target").iter_rows()) / len(
        rows
    )


CONDITIONS = {"validation": ("validation", False), "test": ("test", False), "masked": ("test", True)}


def test_off_and_on_stand_in_the_json(write_run: Any) -> None:
    run = write_run(weight=0.35)
    report, _ = made(run)
    assert report["blend"]["weight"] == 0.35
    assert [cell["weight"] for cell in report["blend"]["grid"]] == [0.0, 0.35, 1.0]
    for name, condition in CONDITIONS.items():
        assert report[name]["recall@10"] == pytest.approx(hits(run, "recommendations", condition))
        assert report["model"][name]["recall@10"] == pytest.approx(hits(run, "model", condition))
        assert report["blend"][name] == {
            key: value for key, value in report[name].items() if key != "invalid_rate"
        }
        gap = report["differences"]["model"][name]["recall@10"]
        assert gap["difference"] == pytest.approx(
            report[name]["recall@10"] - report["model"][name]["recall@10"]
        )
    assert set(report["baselines"]) == set(ALL[2:])
    assert set(report["differences"]) == set(ALL[1:])
    assert set(report["intervals"]) - {"level", "resamples"} == set(ALL)
    for parts in report["slices"]["masked"].values():
        assert all(set(part["means"]) == set(ALL) for part in parts)


def test_without_a_blend_nothing_is_said_of_one(write_run: Any) -> None:
    report, page = made(write_run())
    assert not {"blend", "model"} & report.keys()
    assert "blend" not in page.lower()


def test_the_page_tells_what_is_mixed_and_shows_all(write_run: Any) -> None:
    _, page = made(write_run(weight=0.35))
    said = "the model&#39;s list with the weight 0.65 and that of linear item-to-item with the weight 0.35"
    assert said in page
    assert "CLAIRO + item-to-item reaches NDCG@10" in page
    assert "CLAIRO + item-to-item beside its rivals" in page
    assert re.search(r'<tr class="ours">\s*<th[^>]*>CLAIRO \+ item-to-item<', page)
    assert not re.search(r'<tr class="ours">\s*<th[^>]*>CLAIRO<', page)
    assert "the weight of the blend are chosen on validation" in page
    assert "by the weight of linear item-to-item; its choice in bold" in page


def test_every_user_and_every_comparison_knows_the_blend(write_run: Any) -> None:
    run = write_run(weight=0.35)
    report, _ = made(run)
    users = pl.read_parquet(run / "report" / "users.parquet")
    assert users["system"].unique(maintain_order=True).to_list() == ALL
    found = compare(run, f"{run}:model", condition="masked", resamples=10)
    assert (found.first[1], found.second[1]) == ("blend", "model")
    assert found.metrics["ndcg@10"].first == pytest.approx(report["masked"]["ndcg@10"])
    assert found.metrics["ndcg@10"].second == pytest.approx(report["model"]["masked"]["ndcg@10"])
    other = write_run(name="other")
    made(other)
    assert compare(other, run, resamples=10).first[1] == "model"
    with pytest.raises(InputError, match="has no blend under test"):
        compare(run, f"{other}:blend", resamples=10)

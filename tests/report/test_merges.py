"""What the report says of the vocabulary's merges, held to a recount of the log row by row."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from clairo import Vocabulary
from clairo.config import ReportConfig
from clairo.report import make
from clairo.report.merges import OTHERS, WITH_DISAMBIGUATION, merges

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["text 1", "text 2", "image 1", "disambiguation"]
STAGES = ["sequences", "vocabulary"]
SHRANK = "Tokens of the training histories after each merge"


def merge_log(names: list[str] = NAMES, size: int = 400) -> pl.DataFrame:
    """As the vocabulary stage writes it, of 60 random histories over 30 items."""
    rng = np.random.default_rng(2)
    features = np.unique(rng.integers(0, 5, (40, len(names))), axis=0)[:30]
    events, offsets = rng.integers(0, 30, 600), np.arange(0, 601, 10)
    vocabulary = Vocabulary.train(features, offsets, events, size=size)
    left = pl.lit(600 * len(names), pl.UInt64) - (pl.col("inside") + pl.col("across")).cum_sum()
    return vocabulary.merge_log(names).with_columns(corpus_tokens=left)


def report_of(write_run: Any, log: pl.DataFrame | None, out: Path) -> tuple[dict[str, Any], str]:
    run = write_run(stages=STAGES)
    if log is not None:
        log.write_parquet(run / "vocabulary" / "merges.parquet")
    out.mkdir()
    make(ReportConfig(resamples=10), run=run, out=out, seed=0, stages=STAGES)
    return json.loads((out / "report.json").read_text("utf-8")), (out / "report.html").read_text("utf-8")


def holds(kinds: str) -> set[str]:
    return set(kinds.split(" + "))


def test_the_numbers_are_those_of_the_log(write_run: Any, tmp_path: Path) -> None:
    log = merge_log()
    found = report_of(write_run, log, tmp_path / "out")[0]["merges"]
    rows = log.to_dicts()
    mixed = [row for row in rows if {"text", "image"} <= holds(row["kinds"])]
    assert found["merges"] == len(rows)
    assert found["cross_modal"] == len(mixed) > 0
    assert sum(kind["merges"] for kind in found["kinds"]) == len(rows)
    for kind in found["kinds"]:
        same = [row for row in rows if row["kinds"] == kind["kinds"]]
        sums = [sum(row[where] for row in same) for where in ("inside", "across")]
        assert [kind["merges"], kind["inside"], kind["across"]] == [len(same), *sums]


def test_the_course_is_that_of_the_log(write_run: Any, tmp_path: Path) -> None:
    log = merge_log()
    growth = report_of(write_run, log, tmp_path / "out")[0]["merges"]["growth"]
    rows = log.to_dicts()
    assert len(growth["size"]) == 120 < len(rows)
    assert growth["size"][-1] == 400
    shares_of = dict(growth["kinds"])
    assert list(shares_of) == ["text", WITH_DISAMBIGUATION, "text + image"]
    for place, size in enumerate(growth["size"]):
        so_far = [row for row in rows if row["token"] < size]
        joins = [sum(row[where] for row in so_far) for where in ("inside", "across")]
        mostly = sum(row["across"] > row["inside"] for row in so_far)
        without = {kinds: sum(row["kinds"] == kinds for row in so_far) for kinds in shares_of}
        without[WITH_DISAMBIGUATION] = sum("disambiguation" in holds(row["kinds"]) for row in so_far)
        assert growth["tokens"][place] == so_far[-1]["corpus_tokens"]
        assert growth["joins_across"][place] == pytest.approx(joins[1] / sum(joins))
        assert growth["mostly_across"][place] == pytest.approx(mostly / len(so_far))
        for kinds, shares in shares_of.items():
            assert shares[place] == pytest.approx(without[kinds] / len(so_far))


def test_kinds_beyond_the_lines_are_shown_together(tmp_path: Path) -> None:
    merge_log(["text", "image", "price", "colour"]).write_parquet(tmp_path / "merges.parquet")
    found = merges(tmp_path)
    assert found is not None
    assert len(found["kinds"]) > 4
    lines = dict(found["growth"]["kinds"])
    assert len(lines) == 4
    assert list(lines)[-1] == OTHERS
    assert [sum(shares) for shares in zip(*lines.values(), strict=True)] == pytest.approx([1.0] * 120)


def test_the_page_shows_table_and_figures(write_run: Any, tmp_path: Path) -> None:
    report, page = report_of(write_run, merge_log(), tmp_path / "out")
    found = report["merges"]
    share = found["cross_modal"] / found["merges"]
    assert f"{found['cross_modal']:,} of {found['merges']:,} merged tokens ({share:.1%}) are cross-m" in page
    for words in ("by what their tokens hold", "Share across two actions so far", SHRANK):
        assert re.search(f'<svg class="chart"[^>]*aria-label="[^"]*{words}', page)
    for kind in found["kinds"]:
        assert f">{kind['kinds']}</th>" in page


def test_a_vocabulary_that_grew_has_no_course_of_the_corpus(write_run: Any, tmp_path: Path) -> None:
    log = merge_log().with_columns(corpus_tokens=pl.lit(None, pl.UInt64))
    report, page = report_of(write_run, log, tmp_path / "out")
    assert report["merges"]["growth"]["tokens"] is None
    assert SHRANK not in page
    assert "This vocabulary grew from another" in page


def test_one_merge_is_enough(write_run: Any, tmp_path: Path) -> None:
    log = merge_log()[:1]
    report, page = report_of(write_run, log, tmp_path / "out")
    assert report["merges"]["merges"] == 1
    assert SHRANK in page


@pytest.mark.parametrize("log", [None, merge_log(size=1)], ids=["an older run", "no merges"])
def test_without_merges_the_page_does_without(
    write_run: Any, tmp_path: Path, log: pl.DataFrame | None
) -> None:
    assert log is None or log.is_empty()
    report, page = report_of(write_run, log, tmp_path / "out")
    assert report["merges"] is None
    assert 'id="tokens"' in page
    assert "merged tokens" not in page

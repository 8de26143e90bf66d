"""The table of users against the files it is made from, row by row, and against the report's own numbers."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from clairo.artifacts import Sequences
from clairo.config import ReportConfig
from clairo.errors import InputError
from clairo.report import make
from clairo.report.rankings import CONDITIONS, FILES
from clairo.report.users import SCHEMA, read

STAGES = ["sequences", "recommendations"]
TEST = CONDITIONS[1]


@pytest.fixture
def run(write_run: Any) -> Path:
    """A run with its report, of a sample of users, whose first user's target is in the history."""
    folder: Path = write_run(share=0.6)
    return folder


def report(run: Path) -> pl.DataFrame:
    out = run / "report"
    out.mkdir()
    make(ReportConfig(resamples=10), run=run, out=out, seed=0, stages=STAGES)
    return pl.read_parquet(out / "users.parquet")


def test_columns_are_those_that_others_read(run: Path) -> None:
    assert dict(report(run).schema) == {
        "user": pl.String,
        "split": pl.String,
        "masked": pl.Boolean,
        "system": pl.String,
        "target": pl.String,
        "rank": pl.Int32,
        "listed": pl.Int32,
        "history_length": pl.Int32,
        "user_training_events": pl.Int32,
        "target_training_events": pl.Int32,
        "target_tail": pl.String,
        "repeat": pl.Boolean,
        "tie": pl.Boolean,
    }


def test_every_list_has_its_row_in_order(run: Path) -> None:
    found = report(run)
    users = {user: row for row, user in enumerate(Sequences.load(run / "sequences").users.tolist())}
    keys = [
        (condition.split, condition.masked, system, user)
        for condition in CONDITIONS
        for system in FILES
        for user in sorted(
            pl.read_parquet(run / "recommendations" / "recommendations.parquet")["user"].unique(),
            key=users.__getitem__,
        )
    ]
    assert found.select("split", "masked", "system", "user").rows() == keys
    lists: dict[tuple[Any, ...], dict[str, Any]] = {}
    for system, file in FILES.items():
        for row in pl.read_parquet(run / "recommendations" / file).iter_rows(named=True):
            lists[row["split"], row["masked"], system, row["user"]] = row
    missed = 0
    for row in found.iter_rows(named=True):
        mine = lists[row["split"], row["masked"], row["system"], row["user"]]
        assert row["target"] == mine["target"]
        assert row["listed"] == len(mine["items"])
        if row["rank"] is None:
            assert mine["target"] not in mine["items"]
            missed += 1
        else:
            assert mine["items"][row["rank"] - 1] == mine["target"]
    assert 0 < missed < len(found)


def test_slice_columns_are_what_the_sequences_say(run: Path) -> None:
    table = Sequences.load(run / "sequences")
    rows = {str(user): row for row, user in enumerate(table.users)}
    trained = [item for user in range(table.n_users) for item in table.history(user)[: table.train_end[user]]]
    counts = {int(item): trained.count(item) for item in range(table.n_items)}
    ordered = sorted(counts, key=lambda item: (-counts[item], item))
    head, held = set[int](), 0
    for item in ordered:
        if held < 0.8 * len(trained):
            head.add(item)
        held += counts[item]
    kinds, repeats = set(), set()
    for row in report(run).iter_rows(named=True):
        user = rows[row["user"]]
        position = int(getattr(table, row["split"])[user])
        history = table.history(user).tolist()
        target = history[position]
        assert row["history_length"] == position
        assert row["user_training_events"] == table.train_end[user]
        assert row["target_training_events"] == counts[target]
        assert row["target_tail"] == ("head" if target in head else "tail" if counts[target] else "cold")
        assert row["repeat"] == (target in history[:position])
        assert row["tie"] == bool(table.ties[user])
        kinds.add(row["target_tail"])
        repeats.add(row["repeat"])
    assert (kinds, repeats) == ({"head", "tail", "cold"}, {True, False})


def test_unknown_times_leave_ties_open(run: Path) -> None:
    table = Sequences.load(run / "sequences")
    table.times[:] = -1
    table.save(run / "sequences")
    assert report(run)["tie"].null_count() == 15 * 54


def test_the_report_can_be_made_from_the_table(run: Path) -> None:
    found = report(run)
    told = json.loads((run / "report" / "report.json").read_text("utf-8"))
    for (split, masked, system), rows in found.group_by("split", "masked", "system"):
        name = "masked" if masked else split
        means = told[name] if system == "model" else told["baselines"][system][name]
        ranks = rows["rank"].to_list()
        gains = [0.0 if rank is None or rank > 10 else 1 / math.log2(rank + 1) for rank in ranks]
        assert means["ndcg@10"] == pytest.approx(np.mean(gains))
        assert means["recall@20"] == pytest.approx(
            np.mean([rank is not None and rank <= 20 for rank in ranks])
        )
    tails = told["slices"]["test"]["target_tail"]
    rows = found.filter(pl.col("system") == "model", pl.col("split") == "test", ~pl.col("masked"))
    sizes = rows.group_by("target_tail").len()
    assert {part["slice"]: part["users"] for part in tails} == dict(sizes.rows())


def test_a_run_without_recommendations_has_an_empty_table(write_run: Any) -> None:
    found = report(write_run(stages=["sequences"]))
    assert found.is_empty()
    assert list(found.columns) == list(SCHEMA)


def test_what_cannot_be_read_is_named_with_what_to_do(run: Path) -> None:
    with pytest.raises(InputError, match=r"users\.parquet is missing") as caught:
        read(run, TEST, "model")
    assert f"clairo report {run}" in str(caught.value.hint)
    (run / "recommendations" / "markov.parquet").unlink()
    report(run)
    with pytest.raises(InputError, match="has no markov under test") as caught:
        read(run, TEST, "markov")
    assert caught.value.hint == "systems there: model, popularity, item2item, linear"
    (run / "report" / "users.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(InputError, match="is damaged"):
        read(run, TEST, "model")

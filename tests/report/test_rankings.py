"""Reading lists: rows are put in order, and what does not fit the sequences is an error that says so."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clairo.artifacts import Sequences
from clairo.errors import InputError
from clairo.report.rankings import CONDITIONS, Rankings, read

TEST = CONDITIONS[1]


def _read(run: Path) -> Rankings | None:
    return read(run / "recommendations", Sequences.load(run / "sequences"), TEST)


def _edit(run: Path, change: Any, file: str = "recommendations") -> None:
    path = run / "recommendations" / f"{file}.parquet"
    change(pl.read_parquet(path)).write_parquet(path)


def test_ranks_and_first_items_are_those_of_the_files(write_run: Any) -> None:
    run = write_run(share=0.6)
    lists, table = _read(run), Sequences.load(run / "sequences")
    assert lists is not None
    assert (len(lists.users), lists.of) == (54, 90)
    for name, file in (("model", "recommendations"), ("item2item", "item2item")):
        rows = pl.read_parquet(run / "recommendations" / f"{file}.parquet")
        rows = rows.filter((pl.col("split") == "test") & ~pl.col("masked"))
        by_user = {row["user"]: row for row in rows.to_dicts()}
        mine = [by_user[str(table.users[user])] for user in lists.users]
        ranks = [row["items"].index(row["target"]) if row["target"] in row["items"] else -1 for row in mine]
        assert lists.ranks[name].tolist() == ranks
        assert [table.items[row].tolist() for row in lists.top[name]] == [row["items"][:10] for row in mine]


def test_short_and_empty_lists_are_padded(write_run: Any) -> None:
    run = write_run()
    _edit(run, lambda rows: rows.with_columns(pl.col("items").list.head(pl.int_range(pl.len()) % 4)))
    lists = _read(run)
    assert lists is not None
    lengths = (lists.top["model"] >= 0).sum(axis=1)
    assert set(lengths.tolist()) == {0, 1, 2, 3}
    assert (lists.ranks["model"] < lengths).all()


def test_no_list_of_the_model_is_no_ranking(write_run: Any) -> None:
    run = write_run()
    _edit(run, lambda rows: rows.filter(pl.col("split") != "test"))
    assert _read(run) is None


def test_a_rival_without_file_is_left_out(write_run: Any) -> None:
    run = write_run()
    (run / "recommendations" / "markov.parquet").unlink()
    lists = _read(run)
    assert lists is not None
    assert list(lists.ranks) == ["model", "popularity", "item2item", "linear"]


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("recommendations", lambda rows: pl.concat([rows, rows[:200]]), "has two lists"),
        (
            "recommendations",
            lambda rows: rows.with_columns(target=pl.lit("B00000")),
            "the sequences say otherwise",
        ),
        ("recommendations", lambda rows: rows.with_columns(user=pl.lit("nobody")), "user 'nobody'"),
        ("recommendations", lambda rows: rows.with_columns(target=pl.lit("nothing")), "item 'nothing'"),
        (
            "recommendations",
            lambda rows: rows.with_columns(items=pl.concat_list(pl.lit("unheard"), "items")),
            "item 'unheard'",
        ),
        ("recommendations", lambda rows: rows.drop("items"), "damaged"),
        ("markov", lambda rows: rows.filter(pl.col("user") != "u7"), "'u7' has no list here"),
    ],
)
def test_what_does_not_fit_is_named(write_run: Any, file: str, change: Any, words: str) -> None:
    run = write_run()
    _edit(run, change, file)
    with pytest.raises(InputError, match=words) as caught:
        _read(run)
    assert f"{file}.parquet" in caught.value.message
    assert caught.value.hint


def test_a_damaged_file_is_named(write_run: Any) -> None:
    run = write_run()
    (run / "recommendations" / "recommendations.parquet").write_bytes(b"PAR1 but no more")
    with pytest.raises(InputError, match=r"recommendations\.parquet is damaged"):
        _read(run)

"""The log of merges: what each joined, where, and what the stage writes of it."""

from __future__ import annotations

import json
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest

from clairo import InputError, Vocabulary
from clairo.artifacts import Codes, Sequences
from clairo.config import VocabularyConfig
from clairo.vocabulary import make
from clairo.vocabulary.merge_log import kind_of

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

NAMES = ["text 1", "text 2", "image 1", "disambiguation"]
FEATURES = np.array([[0, 0, 0, 0], [0, 1, 1, 0], [1, 0, 1, 1], [1, 1, 0, 1]])
ROWS = [[0, 1, 2], [1, 2, 3, 0], [2], [], [3, 3, 1]]
OFFSETS = np.cumsum([0, *map(len, ROWS)])
EVENTS = np.array(list(chain(*ROWS)))


def train(size: int = 40) -> Vocabulary:
    return Vocabulary.train(FEATURES, OFFSETS, EVENTS, size=size)


@pytest.mark.parametrize(
    ("category", "kind"),
    [
        ("text 1", "text"),
        ("image 12", "image"),
        ("file 2 1", "file 2"),
        ("disambiguation", "disambiguation"),
        ("7", "7"),
        ("price group", "price group"),
    ],
)
def test_kinds_of_categories(category: str, kind: str) -> None:
    assert kind_of(category) == kind


def test_a_row_a_merge() -> None:
    vocabulary = train()
    log = vocabulary.merge_log(NAMES)
    assert log["token"].to_list() == list(range(vocabulary.n_initial, len(vocabulary)))
    assert log.select("left", "right").to_numpy().tolist() == vocabulary.merges.tolist()
    assert log["priority"].to_list() == vocabulary.priorities.tolist()
    assert vocabulary.joined is not None
    assert np.array_equal(log.select("inside", "across").to_numpy().T, vocabulary.joined)


def test_the_categories_are_those_of_the_features() -> None:
    vocabulary = train()
    log = vocabulary.merge_log(NAMES)
    for token, left, right, *_, ours, theirs, kinds in log.iter_rows():
        for part, found in ((left, ours), (right, theirs)):
            assert found == [NAMES[c] for c in sorted({c for c, _ in vocabulary.features_of(part)})]
        of_both = [NAMES[c].split()[0] for c in sorted({c for c, _ in vocabulary.features_of(token)})]
        assert kinds == " + ".join(dict.fromkeys(of_both))
    assert "text + image" in log["kinds"]
    assert "text + image + disambiguation" in log["kinds"]


def test_names_are_numbers_unless_told() -> None:
    assert train().merge_log()["left_categories"].explode().is_in([f"category {c}" for c in range(4)]).all()
    with pytest.raises(InputError, match="names: 1 given for 4 categories"):
        train().merge_log(["text"])


def test_no_merges_is_an_empty_table() -> None:
    assert train(1).merge_log(NAMES).schema == train().merge_log(NAMES).schema
    assert len(train(1).merge_log(NAMES)) == 0


def test_a_file_of_priorities_has_no_numbers_of_joins(tmp_path: Path) -> None:
    train().save(tmp_path / "v.json")
    content = json.loads((tmp_path / "v.json").read_text())
    del content["clairo"]
    (tmp_path / "v.json").write_text(json.dumps(content))
    log = Vocabulary.load(tmp_path / "v.json").merge_log(NAMES)
    assert log.drop("inside", "across").equals(train().merge_log(NAMES).drop("inside", "across"))
    assert log["inside"].null_count() == log["across"].null_count() == len(log)


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """What the stage reads; every history ends with two events that are not trained on."""
    for name in ("codes", "sequences", "out"):
        (tmp_path / name).mkdir()
    ids = np.array(["a", "b", "c", "d"])
    Codes(ids, FEATURES.astype(np.uint32), NAMES, [2, 2, 2, 2]).save(tmp_path / "codes")
    n = np.array([len(row) for row in ROWS])
    events: npt.NDArray[np.int64] = np.array(list(chain(*([*row, 0, 1] for row in ROWS))))
    Sequences(
        items=ids,
        users=np.array([f"u{user}" for user in range(len(ROWS))]),
        offsets=np.concatenate([[0], np.cumsum(n + 2)]),
        events=events.astype(np.uint32),
        times=np.full(len(events), -1),
        train_end=n,
        validation=n,
        test=n + 1,
        ties=np.zeros(len(ROWS), dtype=np.bool_),
        max_history=20,
    ).save(tmp_path / "sequences")
    return {name: tmp_path / name for name in ("codes", "sequences", "out")}


def test_the_stage_writes_it_with_the_size_of_the_corpus(folders: dict[str, Path]) -> None:
    """Merged to the end, every history is one token: of 11 events of 4 features, 4 tokens remain."""
    (folders["out"] / "vocabulary.json.123-0.tmp").write_text("a killed process left this")
    make(VocabularyConfig(size=10_000), **folders, seed=0)
    names = ["merges.parquet", "report.json", "vocabulary.json"]
    assert sorted(path.name for path in folders["out"].iterdir()) == names
    log = pl.read_parquet(folders["out"] / "merges.parquet")
    assert log.drop("corpus_tokens").equals(train(10_000).merge_log(NAMES))
    left = log["corpus_tokens"].to_list()
    assert left == sorted(left, reverse=True)
    assert left[0] == 4 * 11 - log["inside"][0] - log["across"][0]
    assert left[-1] == 4


def test_an_expanded_one_does_not_know_how_the_corpus_shrank(folders: dict[str, Path]) -> None:
    out = folders.pop("out")
    train(12).save(out / "old.json")
    make(VocabularyConfig(size=20, start_from=out / "old.json"), **folders, out=out, seed=0)
    log = pl.read_parquet(out / "merges.parquet")
    assert len(log) == 20 - train().n_initial
    assert log["corpus_tokens"].null_count() == len(log)
    assert json.loads((out / "report.json").read_text())["merges_taken_over"] == 12 - train().n_initial

"""Recommending from a run folder: ids in and out, the lists of the evaluation, words for what is wrong."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clairo.artifacts import Sequences
from clairo.config import RecommendationsConfig
from clairo.errors import InputError
from clairo.recommendations import Recommender, make

STAGES = ("model", "vocabulary", "codes", "sequences")


@pytest.fixture(scope="module")
def whole_run(
    run_folder: Path, settings: RecommendationsConfig, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The tiny run with its recommendations, somewhere else than where it was made."""
    before = tmp_path_factory.mktemp("before") / "run"
    shutil.copytree(run_folder, before)
    out = before / "recommendations"
    out.mkdir()
    make(settings, **{stage: before / stage for stage in STAGES}, out=out, seed=11)
    titles = [None if row == 3 else f"Title {row}" for row in range(70)]
    items = {"item": [f"B{row:03d}" for row in range(70)], "title": titles}
    pl.DataFrame(items | {"text": ["a text"] * 70}).write_parquet(before / "sequences" / "items.parquet")
    after = tmp_path_factory.mktemp("after") / "moved"
    shutil.move(before, after)
    return after


@pytest.fixture(scope="module")
def recommender(whole_run: Path) -> Recommender:
    return Recommender.load(whole_run)


def test_lists_are_those_of_the_evaluation(
    whole_run: Path, recommender: Recommender, sequences: Sequences
) -> None:
    rows = pl.read_parquet(whole_run / "recommendations" / "recommendations.parquet").filter(
        pl.col("split") == "test"
    )
    for masked in (False, True):
        table = rows.filter(pl.col("masked") == masked)
        users = [sequences.users.tolist().index(user) for user in table["user"]]
        histories = [
            sequences.items[sequences.history(user)[: sequences.test[user]]].tolist() for user in users
        ]
        found = recommender.recommend_many(histories, k=50, mask_history=masked)
        assert [[item for item, _ in one] for one in found] == table["items"].to_list()
        assert [[score for _, score in one] for one in found] == table["scores"].to_list()


def test_one_history_and_many_agree(recommender: Recommender) -> None:
    histories = [["B001", "B002"], ["B010"], ["B030", "B031", "B032"]]
    many = recommender.recommend_many(iter(histories), k=7)
    assert many == [recommender.recommend(history, k=7) for history in histories]
    assert all(len(found) == 7 for found in many)
    assert recommender.recommend_many([]) == []


def test_the_history_is_masked_unless_told(recommender: Recommender) -> None:
    everything = recommender.recommend(["B001", "B002"], k=10**6, mask_history=False)
    masked = recommender.recommend(["B001", "B002"], k=10**6)
    assert len(everything) == 70
    assert len(masked) == 68
    assert {item for item, _ in everything} - {item for item, _ in masked} == {"B001", "B002"}


def test_unknown_ids_are_ignored_and_named(recommender: Recommender) -> None:
    answer = recommender.answer(["nonsense", "B001", "B999", "nonsense", "B002"], k=5)
    assert answer.ignored == ["nonsense", "B999"]
    assert answer.source == "model"
    assert answer.items == recommender.recommend(["B001", "B002"], k=5)


@pytest.mark.parametrize("history", [[], ["nonsense"]])
def test_nothing_known_gets_popularity(
    recommender: Recommender, sequences: Sequences, history: list[str]
) -> None:
    answer = recommender.answer(history, k=3)
    counts = dict.fromkeys(sequences.items.tolist(), 0)
    for item in sequences.items[sequences.training()[1]].tolist():
        counts[item] += 1
    assert answer.source == "popularity"
    assert [item for item, _ in answer.items] == sorted(counts, key=lambda item: (-counts[item], item))[:3]
    assert [score for _, score in answer.items] == [-1, -2, -3]


def test_the_whole_history_of_a_user(recommender: Recommender, sequences: Sequences) -> None:
    assert recommender.history("user 0") == sequences.items[sequences.history(0)].tolist()
    with pytest.raises(InputError, match="no user 'stranger'"):
        recommender.history("stranger")


def test_titles(recommender: Recommender, run_folder: Path) -> None:
    assert recommender.title("B001") == "Title 1"
    assert recommender.title("B003") == "a text"
    with pytest.raises(InputError, match="no item 'nonsense'"):
        recommender.title("nonsense")
    assert Recommender.load(run_folder).title("B001") is None


def test_defaults_where_the_stage_has_not_run(run_folder: Path, recommender: Recommender) -> None:
    usual = RecommendationsConfig()
    bare = Recommender.load(run_folder)
    assert (bare.settings.beams, bare.settings.views) == (usual.beams, usual.views)
    assert (recommender.settings.beams, recommender.settings.views, recommender.settings.seed) == (6, 3, 11)
    assert len(bare.recommend(["B001"])) == 10


@pytest.mark.parametrize("k", [0, -1, 2.5, True, "10", None])
def test_k_must_be_a_whole_number_above_0(recommender: Recommender, k: Any) -> None:
    with pytest.raises(InputError, match="k must be a whole number above 0"):
        recommender.recommend(["B001"], k=k)


@pytest.mark.parametrize("history", ["B001", b"B001", 3, None, [1, 2], [None], [["B001"]]])
def test_a_history_must_be_a_list_of_ids(recommender: Recommender, history: Any) -> None:
    with pytest.raises(InputError, match="a history must"):
        recommender.recommend(history)


def test_many_histories_must_be_a_list_of_lists(recommender: Recommender) -> None:
    with pytest.raises(InputError, match="a list of histories"):
        recommender.recommend_many("B001")
    with pytest.raises(InputError, match="a history must"):
        recommender.recommend_many(["B001"])


@pytest.mark.parametrize("stage", STAGES)
def test_a_missing_stage_is_named(run_folder: Path, tmp_path: Path, stage: str) -> None:
    shutil.copytree(run_folder, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / stage)
    with pytest.raises(InputError, match=f"has no {stage}") as caught:
        Recommender.load(tmp_path / "run")
    assert f"--until {stage}" in str(caught.value)


def test_damaged_settings_are_named(whole_run: Path, tmp_path: Path) -> None:
    shutil.copytree(whole_run, tmp_path / "run")
    (tmp_path / "run" / "recommendations" / "settings.json").write_text('{"beams": 3}')
    with pytest.raises(InputError, match=r"settings\.json is damaged"):
        Recommender.load(tmp_path / "run")


def test_recommending_needs_no_table_library(whole_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serving runs on the search's own libraries: tables and quantizers may be missing."""
    for library in ("polars", "faiss", "skimage", "open_clip", "sentence_transformers"):
        monkeypatch.setitem(sys.modules, library, None)
    assert len(Recommender.load(whole_run).recommend(["B001"], k=3)) == 3


def test_the_room_is_light_until_it_is_used() -> None:
    code = (
        "import sys, clairo.recommendations;"
        "heavy = {'torch', 'transformers', 'polars', 'faiss', 'sklearn', 'scipy', 'matplotlib'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

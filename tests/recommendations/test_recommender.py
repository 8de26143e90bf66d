"""Recommending from a run folder: ids in and out, the lists of the evaluation, words for what is wrong."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


HISTORIES = [["B001", "B002"], ["B010"], [], ["nonsense"], ["B030", "B031", "B032"]]


def test_only_what_is_allowed_and_not_denied_comes_out(recommender: Recommender) -> None:
    allow = [f"B{row:03d}" for row in range(1, 70, 3)]
    deny = ["B004", "B010", "elsewhere"]
    wanted = set(allow) - set(deny)
    answers = recommender.answer_many(HISTORIES, k=10**6, allow=[*allow, "sold out"], deny=deny)
    for history, answer in zip(HISTORIES, answers, strict=True):
        found = [item for item, _ in answer.items]
        assert set(found) == wanted - set(history)
        assert len(found) == len(set(found))
        assert [score for _, score in answer.items] == sorted((s for _, s in answer.items), reverse=True)
        assert answer.unknown == ["sold out", "elsewhere"]
    assert [answer.source for answer in answers] == [
        "model",
        "model",
        "popularity",
        "popularity",
        "model",
    ]
    assert [answer.filled == len(answer.items) for answer in answers] == [False, False, True, True, False]


SOME_IDS = st.lists(st.integers(0, 75).map(lambda row: f"B{row:03d}"), max_size=12)


@settings(deadline=None, max_examples=60)
@given(
    history=SOME_IDS,
    allow=st.none() | SOME_IDS,
    deny=st.none() | SOME_IDS,
    k=st.integers(1, 80),
    masked=st.booleans(),
)
def test_no_answer_holds_anything_but_items_that_may_come_out_each_once(
    recommender: Recommender,
    sequences: Sequences,
    history: list[str],
    allow: list[str] | None,
    deny: list[str] | None,
    k: int,
    masked: bool,
) -> None:
    may = set(sequences.items.tolist()) - set(deny or []) - set(history if masked else [])
    may &= may if allow is None else set(allow)
    [answer] = recommender.answer_many([history], k, masked, allow=[allow], deny=[deny])
    found = [item for item, _ in answer.items]
    assert set(found) <= may
    assert len(found) == len(set(found)) == min(k, len(may))
    known = [item for item in history if item in sequences.items]
    assert answer.source == ("model" if known else "popularity")
    assert known or answer.filled == len(found)
    assert all(score > 0 for _, score in answer.items[: len(found) - answer.filled])
    assert [score for _, score in answer.items[len(found) - answer.filled :]] == [
        -1.0 - place for place in range(answer.filled)
    ]


def test_lists_of_each_history_are_those_of_its_own_call(recommender: Recommender) -> None:
    allow = [["B005", "B006"], None, ["B007"], ["B060", "B061", "nothing"], ["nothing"]]
    deny = [["B006"], ["B011"], None, ["B060"], None]
    together = recommender.recommend_many(HISTORIES, k=5, allow=allow, deny=deny)
    assert [item for item, _ in together[0]] == ["B005"]
    assert [item for item, _ in together[2]] == ["B007"]
    assert [item for item, _ in together[3]] == ["B061"]
    assert together[4] == []
    for row in range(5):
        alone = recommender.recommend(HISTORIES[row], k=5, allow=[allow[row]], deny=[deny[row]])
        assert [item for item, _ in together[row]] == [item for item, _ in alone]
        assert [score for _, score in together[row]] == pytest.approx([score for _, score in alone])


def test_rare_items_are_found_by_the_search_and_not_filled_in(recommender: Recommender) -> None:
    """Six beams find six items of a category, whichever they are."""
    everything = [item for item, _ in recommender.recommend(["B001"], k=70)]
    rare = everything[-8:-2]
    answer = recommender.answer(["B001"], k=6, allow=rare)
    assert {item for item, _ in answer.items} == set(rare)
    assert (answer.filled, answer.unknown) == (0, [])


def test_a_history_that_is_denied_is_pruned_and_not_only_held_back(recommender: Recommender) -> None:
    """The five items that the search would find first leave its six beams to others."""
    seen = [item for item, _ in recommender.recommend(["B001", "B002"], k=5)]
    assert recommender.answer(seen, k=6, deny=seen).filled == 0
    assert not set(seen) & {item for item, _ in recommender.recommend(seen, k=6, deny=seen)}


def test_lists_that_allow_everything_change_nothing(recommender: Recommender) -> None:
    plain = recommender.recommend_many(HISTORIES, k=20)
    everything = [f"B{row:03d}" for row in range(70)]
    assert recommender.recommend_many(HISTORIES, k=20, allow=everything, deny=[]) == plain


def test_lists_that_leave_nothing(recommender: Recommender) -> None:
    assert recommender.recommend_many(HISTORIES, allow=[]) == [[]] * 5
    assert recommender.recommend(["B001"], allow=["B001"]) == []
    assert recommender.recommend(["B001"], allow=["B003"], deny=["B003"]) == []
    with pytest.raises(InputError, match="none of the 1 ids of allow"):
        recommender.recommend(["B001"], allow=["b001"])


@pytest.mark.parametrize("search", ["beam", "exact"])
@pytest.mark.parametrize("ensemble", ["votes", "probabilities"])
def test_every_way_to_search_keeps_to_the_lists(
    whole_run: Path, tmp_path: Path, search: str, ensemble: str
) -> None:
    shutil.copytree(whole_run, tmp_path / "run")
    path = tmp_path / "run" / "recommendations" / "settings.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"search": search, "ensemble": ensemble}))
    other = Recommender.load(tmp_path / "run")
    allow = [f"B{row:03d}" for row in range(0, 70, 2)]
    for history, answer in zip(HISTORIES, other.answer_many(HISTORIES, k=10**6, allow=allow), strict=True):
        assert {item for item, _ in answer.items} == set(allow) - set(history)
        scores = [score for _, score in answer.items]
        assert scores == sorted(scores, reverse=True)
        if answer.filled:
            own = scores[: -answer.filled]
            assert scores[-answer.filled] <= min([0, *own]) - 1
        assert (answer.filled == 0) == (
            answer.source == "model" and (search, ensemble) == ("exact", "probabilities")
        )


def test_settings_written_before_there_was_a_choice_mean_what_they_meant(
    whole_run: Path, recommender: Recommender, tmp_path: Path
) -> None:
    shutil.copytree(whole_run, tmp_path / "run")
    path = tmp_path / "run" / "recommendations" / "settings.json"
    old = json.loads(path.read_text())
    assert (old.pop("search"), old.pop("ensemble")) == ("beam", "votes")
    path.write_text(json.dumps(old))
    found = Recommender.load(tmp_path / "run").recommend_many(HISTORIES, k=30)
    assert found == recommender.recommend_many(HISTORIES, k=30)


def test_the_exact_average_is_the_log_of_a_distribution(whole_run: Path, tmp_path: Path) -> None:
    shutil.copytree(whole_run, tmp_path / "run")
    path = tmp_path / "run" / "recommendations" / "settings.json"
    path.write_text(
        json.dumps(json.loads(path.read_text()) | {"search": "exact", "ensemble": "probabilities"})
    )
    found = Recommender.load(tmp_path / "run").recommend(["B001", "B002"], k=70, mask_history=False)
    assert len(found) == 70
    assert sum(math.exp(score) for _, score in found) == pytest.approx(1, abs=1e-5)


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
    path = tmp_path / "run" / "recommendations" / "settings.json"
    whole = json.loads(path.read_text())
    kinds: list[Any] = [{"beams": 3}, [], whole | {"search": "deep"}, whole | {"ensemble": "choir"}]
    kinds.append(whole | {"precision": "int3"})
    for damaged in kinds:
        path.write_text(json.dumps(damaged))
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

"""The stage on a tiny run: what the lists hold, what is counted, and that an interruption leaves no trace."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from clairo.artifacts import Codes, Sequences
from clairo.artifacts.sequences import Split
from clairo.config import Item2ItemConfig, LinearConfig, RecommendationsConfig
from clairo.errors import InputError
from clairo.recommendations import make
from clairo.recommendations.assortment import Assortment
from clairo.recommendations.ensemble import Ranking
from clairo.recommendations.invalid import invalid, paths
from clairo.recommendations.sample import Sample
from clairo.recommendations.search import Search, Settings
from clairo.rivals.histories import Histories
from clairo.tokens import Trie
from clairo.vocabulary import Vocabulary

FILES = ("recommendations", "popularity", "markov", "item2item", "linear")
Make = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def run_stage(run_folder: Path) -> Make:
    def run(cfg: RecommendationsConfig, out: Path) -> dict[str, Any]:
        out.mkdir(exist_ok=True)
        stages = ("model", "vocabulary", "codes", "sequences")
        return make(cfg, **{stage: run_folder / stage for stage in stages}, out=out, seed=3)

    return run


@pytest.fixture(scope="module")
def made(
    run_stage: Make, settings: RecommendationsConfig, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("recommendations")
    return out, run_stage(settings, out)


def rows_of(out: Path, file: str) -> Iterator[dict[str, Any]]:
    return pl.read_parquet(out / f"{file}.parquet").iter_rows(named=True)


def known_before(sequences: Sequences, user: str, split: str) -> set[str]:
    row = sequences.users.tolist().index(user)
    return set(sequences.items[sequences.history(row)[: getattr(sequences, split)[row]]].tolist())


@pytest.mark.parametrize("file", FILES)
def test_lists_are_whole_and_hold_nothing_twice(
    made: tuple[Path, dict[str, Any]], sequences: Sequences, file: str
) -> None:
    catalogue, seen = set(sequences.items.tolist()), set()
    for row in rows_of(made[0], file):
        held = known_before(sequences, row["user"], row["split"]) if row["masked"] else set()
        assert len(row["items"]) == min(50, len(catalogue) - len(held))
        assert len(row["items"]) == len(row["scores"]) == len(set(row["items"]))
        assert set(row["items"]) <= catalogue - held
        assert (np.diff(row["scores"]) <= 0).all()
        seen.add((row["user"], row["split"], row["masked"]))
    wanted = {
        (str(sequences.users[user]), split, masked)
        for split, masked in (("validation", False), ("test", False), ("test", True))
        for user in np.flatnonzero(getattr(sequences, split) >= 0)
    }
    assert seen == wanted


@pytest.mark.parametrize("file", FILES)
def test_targets_are_the_splits(made: tuple[Path, dict[str, Any]], sequences: Sequences, file: str) -> None:
    users = sequences.users.tolist()
    for row in rows_of(made[0], file):
        user = users.index(row["user"])
        position = getattr(sequences, row["split"])[user]
        assert row["target"] == sequences.items[sequences.history(user)[position]]


def test_columns_are_those_that_others_read(made: tuple[Path, dict[str, Any]]) -> None:
    for file in FILES:
        assert dict(pl.read_parquet_schema(made[0] / f"{file}.parquet")) == {
            "user": pl.String,
            "split": pl.String,
            "masked": pl.Boolean,
            "items": pl.List(pl.String),
            "scores": pl.List(pl.Float64),
            "target": pl.String,
        }


def test_masked_lists_come_from_the_same_search(
    made: tuple[Path, dict[str, Any]], sequences: Sequences
) -> None:
    found = {
        (row["user"], row["masked"]): row
        for row in rows_of(made[0], "recommendations")
        if row["split"] == "test"
    }
    for (user, masked), row in found.items():
        if masked:
            held = known_before(sequences, user, "test")
            plain = found[user, False]
            voted = [
                (item, score)
                for item, score in zip(plain["items"], plain["scores"], strict=True)
                if score > 0 and item not in held
            ]
            mine = [pair for pair in zip(row["items"], row["scores"], strict=True) if pair[1] > 0]
            assert mine == voted


def test_the_validation_item_is_part_of_the_test_input(
    run_folder: Path, sequences: Sequences, settings: RecommendationsConfig, made: tuple[Path, dict[str, Any]]
) -> None:
    """The list of a test is that of the history up to and with the validation item."""
    search = load_search(run_folder, sequences, settings)
    lists = {
        row["user"]: row["items"]
        for row in rows_of(made[0], "recommendations")
        if row["split"] == "test" and not row["masked"]
    }
    changed = 0
    for user in np.flatnonzero(sequences.validation >= 0).tolist():
        history = sequences.history(user)[: sequences.validation[user] + 1].tolist()
        voted = [ranking_items(search, row) for row in (history, history[:-1])]
        mine = lists[str(sequences.users[user])]
        assert mine[: len(voted[0])] == sequences.items[voted[0]].tolist()
        changed += voted[0] != voted[1]
    assert changed > 30  # the item does matter to this model


def ranking_items(search: Search, history: list[int]) -> list[int]:
    items: list[int] = search.rank(Histories.of([history]))[0].items.tolist()
    return items


def load_search(run_folder: Path, sequences: Sequences, cfg: RecommendationsConfig) -> Search:
    settings = Settings(cfg.beams, cfg.views, cfg.normalise, cfg.batch_size, seed=3)
    stages = {stage: run_folder / stage for stage in ("model", "vocabulary", "codes")}
    return Search.load(**stages, sequences=sequences, settings=settings, device="cpu")


def test_only_the_latest_events_reach_the_model(
    run_folder: Path, sequences: Sequences, settings: RecommendationsConfig
) -> None:
    search = load_search(run_folder, sequences, settings)
    assert search.max_history == 4
    recent = [9, 8, 7, 6]
    assert ranking_items(search, [1, 2, *recent]) == ranking_items(search, recent)
    assert ranking_items(search, [1, *recent[1:]]) != ranking_items(search, recent)


def test_equal_histories_get_equal_rankings_in_any_batch(
    run_folder: Path, sequences: Sequences, settings: RecommendationsConfig
) -> None:
    search = load_search(run_folder, sequences, settings)
    rankings = search.rank(Histories.of([[3, 4], [], [5, 6, 7], [3, 4], [3, 4]]))
    assert len(rankings[1].items) == 0
    for ranking in (rankings[3], rankings[4]):
        assert ranking.items.tolist() == rankings[0].items.tolist()
        assert ranking.scores.tolist() == rankings[0].scores.tolist()


def test_fewer_are_searched_at_once_where_each_takes_memory_for_every_item(
    run_folder: Path, sequences: Sequences, settings: RecommendationsConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists of what each may be recommended do, and exact scores."""
    search = load_search(run_folder, sequences, settings.model_copy(update={"batch_size": 50}))
    histories = Histories.of([[item, item + 1] for item in range(8)])
    catalogue = {str(name): item for item, name in enumerate(sequences.items)}
    refused = Assortment.of(catalogue, 8, allow=None, deny=[["B009"], *([None] * 7)])
    whole, sizes = search.rank(histories, refused), list[int]()
    views = Search.views

    def noted(self: Search, some: Histories, allowed: Any = None) -> Any:
        sizes.append(len(some))
        return views(self, some, allowed)

    monkeypatch.setattr(Search, "views", noted)
    monkeypatch.setattr("clairo.recommendations.search._TABLES", 3 * 6 * len(sequences.items))
    parts = search.rank(histories, refused)
    assert [ranking.items.tolist() for ranking in parts] == [ranking.items.tolist() for ranking in whole]
    search.rank(histories)
    replace(search, settings=replace(search.settings, search="exact")).rank(histories)
    assert sizes == [3, 3, 2] + [8] + [1] * 8


def test_an_empty_history_gets_popularity(made: tuple[Path, dict[str, Any]], sequences: Sequences) -> None:
    out, report = made
    first = {
        file: next(
            row["items"]
            for row in rows_of(out, file)
            if row["user"] == "user 37" and row["split"] == "test" and not row["masked"]
        )
        for file in FILES
    }
    counts = np.bincount(sequences.training()[1], minlength=sequences.n_items)
    popular = sequences.items[np.argsort(-counts, kind="stable")][:50].tolist()
    assert all(items == popular for items in first.values())
    assert report["test"]["empty_histories"] == report["masked"]["empty_histories"] == 1
    assert report["validation"]["empty_histories"] == 0


def test_the_report_counts_what_the_lists_show(made: tuple[Path, dict[str, Any]]) -> None:
    out, report = made
    assert json.loads((out / "report.json").read_text()) == report
    rows = list(rows_of(out, "recommendations"))
    for name, split, masked in (
        ("validation", "validation", False),
        ("test", "test", False),
        ("masked", "test", True),
    ):
        mine = [row["scores"] for row in rows if row["split"] == split and row["masked"] == masked]
        counted = report[name]
        assert counted["users"] == counted["of"] == len(mine)
        assert not counted["sampled"]
        assert counted["items_filled"] == sum(score < 0 for scores in mine for score in scores)
        assert counted["lists_filled"] == sum(min(scores) < 0 for scores in mine)
        assert counted["generated"] == 3 * 6 * (len(mine) - counted["empty_histories"])
        assert counted["invalid"] == counted["invalid_rate"] == 0
    assert report["search"]["users"] == report["validation"]["users"] + report["test"]["users"]
    assert report["search"]["users_per_second"] > 0


def test_the_grid_is_reported_and_its_best_cell_chosen(made: tuple[Path, dict[str, Any]]) -> None:
    tuned = made[1]["item2item"]
    assert len(tuned["grid"]) == 20
    best = max(cell["ndcg@10"] for cell in tuned["grid"])
    chosen = [
        cell for cell in tuned["grid"] if (cell["window"], cell["decay"]) == (tuned["window"], tuned["decay"])
    ]
    assert [cell["ndcg@10"] for cell in chosen] == [best]


def test_an_interruption_leaves_no_trace(
    run_stage: Make,
    settings: RecommendationsConfig,
    made: tuple[Path, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls, stop_at, rank = 0, 12, Search.rank

    def interrupted(search: Search, histories: Histories) -> list[Ranking]:
        nonlocal calls
        calls += 1
        if calls == stop_at:
            raise KeyboardInterrupt
        return rank(search, histories)

    monkeypatch.setattr(Search, "rank", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_stage(settings, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".parts"]
    calls, stop_at = 0, 10**9
    run_stage(settings, tmp_path)
    assert calls == 19 + 19 - 10  # batches of two splits but for the five parts that were done
    for name in (*(f"{file}.parquet" for file in FILES), "settings.json"):
        assert (tmp_path / name).read_bytes() == (made[0] / name).read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in made[0].iterdir())


KILLED = """
import os, signal, sys
from pathlib import Path
from clairo.config import RecommendationsConfig
from clairo.recommendations import make
from clairo.recommendations.search import Search

rank, calls = Search.rank, 0

def killed(*words):
    global calls
    calls += 1
    if calls == 12:
        os.kill(os.getpid(), signal.SIGKILL)
    return rank(*words)

Search.rank = killed
run, out = map(Path, sys.argv[1:3])
stages = {stage: run / stage for stage in ("model", "vocabulary", "codes", "sequences")}
make(RecommendationsConfig.model_validate_json(sys.argv[3]), **stages, out=out, seed=3)
"""


def test_a_killed_pass_goes_on_behind_its_parts(
    run_stage: Make,
    run_folder: Path,
    settings: RecommendationsConfig,
    made: tuple[Path, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process is gone between two batches of the sixth part: it had no time to put anything in order."""
    command = [sys.executable, "-c", KILLED, str(run_folder), str(tmp_path), settings.model_dump_json()]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    kept = {f"validation-{first}-{first + 4}.npz" for first in range(0, 20, 4)}
    assert {path.name for path in (tmp_path / ".parts").iterdir()} == kept
    (tmp_path / ".parts" / ".validation-20-24.npz.partial").write_bytes(b"half a part")
    searched, rank = list[int](), Search.rank

    def counted(search: Search, histories: Histories, *others: Any) -> list[Ranking]:
        searched.append(len(histories))
        return rank(search, histories, *others)

    monkeypatch.setattr(Search, "rank", counted)
    report = run_stage(settings, tmp_path)
    assert sum(searched) == report["validation"]["users"] + report["test"]["users"] - 20
    for name in (*(f"{file}.parquet" for file in FILES), "settings.json"):
        assert (tmp_path / name).read_bytes() == (made[0] / name).read_bytes()
    assert not (tmp_path / ".parts").exists()


def test_a_sample_is_the_same_users_everywhere(
    run_stage: Make, settings: RecommendationsConfig, made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    report = run_stage(settings.model_copy(update={"users": 9}), tmp_path)
    chosen = {}
    for file in FILES:
        rows = list(rows_of(tmp_path, file))
        chosen[file] = [(row["user"], row["split"], row["masked"]) for row in rows]
    assert all(users == chosen["markov"] for users in chosen.values())
    assert len(chosen["markov"]) == 27
    assert (report["test"]["users"], report["test"]["of"], report["test"]["sampled"]) == (9, 38, True)
    everyone = {
        (row["user"], row["split"], row["masked"]): row["items"]
        for row in rows_of(made[0], "recommendations")
    }
    for row in rows_of(tmp_path, "recommendations"):
        assert row["items"] == everyone[row["user"], row["split"], row["masked"]]
    assert report["item2item"] == made[1]["item2item"]  # tuned on all users


def test_samples_depend_on_the_seed_and_agree_between_splits(sequences: Sequences) -> None:
    def draw(split: Split, seed: int) -> list[int]:
        users: list[int] = Sample.draw(sequences, split, size=20, seed=seed).users.tolist()
        return users

    drawn = [draw("test", 0), draw("test", 0), draw("test", 1), draw("validation", 0)]
    assert drawn[0] == drawn[1] == sorted(drawn[0])
    assert drawn[0] != drawn[2]
    without = np.flatnonzero(sequences.validation < 0)
    assert len(set(drawn[0]) - set(drawn[3])) <= len(without)
    assert len(Sample.draw(sequences, "test", size=10**6, seed=0).users) == 38


def test_invalid_sequences_are_seen_without_the_trie(run_folder: Path) -> None:
    """A table in which two items have changed places makes exactly their sequences invalid."""
    codes = Codes.load(run_folder / "codes")
    vocabulary = Vocabulary.load(run_folder / "vocabulary" / "vocabulary.json")
    trie = Trie.build(*vocabulary.canonical(codes.features))
    items = np.arange(len(codes.ids))
    assert not invalid(items, trie, vocabulary, codes.features).any()
    swapped = codes.features.copy()
    swapped[[3, 8]] = swapped[[8, 3]]
    assert np.flatnonzero(invalid(items, trie, vocabulary, swapped)).tolist() == [3, 8]
    gone = codes.features.copy()
    gone[5, 2] += 40
    assert np.flatnonzero(invalid(items, trie, vocabulary, gone)).tolist() == [5]


def test_paths_are_the_canonical_tokens(run_folder: Path) -> None:
    codes = Codes.load(run_folder / "codes")
    vocabulary = Vocabulary.load(run_folder / "vocabulary" / "vocabulary.json")
    tokens, offsets = vocabulary.canonical(codes.features)
    spelled = paths(Trie.build(tokens, offsets), np.arange(len(codes.ids)))
    assert spelled == [tokens[offsets[row] : offsets[row + 1]].tolist() for row in range(len(codes.ids))]


def test_a_grid_without_cells_is_refused(
    run_stage: Make, settings: RecommendationsConfig, tmp_path: Path
) -> None:
    for cut, option in (
        ({"item2item": Item2ItemConfig(windows=())}, r"item2item\.windows"),
        ({"linear": LinearConfig(decays=())}, r"linear\.decays"),
    ):
        with pytest.raises(InputError, match=rf"recommendations\.{option} is empty"):
            run_stage(settings.model_copy(update=cut), tmp_path)


def test_a_catalogue_too_large_for_the_linear_rival_goes_without(
    run_stage: Make, settings: RecommendationsConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    few = settings.model_copy(update={"linear": LinearConfig(most_items=69)})
    with caplog.at_level("INFO", "clairo"):
        report = run_stage(few, tmp_path / "without")
    assert "no linear rival: 70 items are more than recommendations.linear.most_items = 69" in caplog.text
    assert "linear" not in report
    assert not (tmp_path / "without" / "linear.parquet").exists()
    mixed = few.model_copy(update={"blend": 0.5, "blend_with": "linear"})
    with pytest.raises(InputError, match="but 70 items are more than") as caught:
        run_stage(mixed, tmp_path / "refused")
    assert "set blend_with to item2item, or raise most_items" in str(caught.value.hint)
    assert not list((tmp_path / "refused").iterdir())


def test_codes_of_other_items_are_refused(
    run_folder: Path, sequences: Sequences, settings: RecommendationsConfig, tmp_path: Path
) -> None:
    codes = Codes.load(run_folder / "codes")
    Codes(codes.ids[::-1], codes.features, codes.names, codes.cardinalities).save(tmp_path)
    plan = Settings(settings.beams, settings.views, settings.normalise, settings.batch_size, seed=0)
    with pytest.raises(InputError, match="not of the same items"):
        Search.load(
            model=run_folder / "model",
            vocabulary=run_folder / "vocabulary",
            codes=tmp_path,
            sequences=sequences,
            settings=plan,
            device="cpu",
        )


@pytest.mark.parametrize("kind", ["beam", "exact"])
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("vocabulary", "trained for a vocabulary of 81 tokens and 3 categories, not 85 and 3"),
        ("category", "features: 2 categories, but the vocabulary has 3"),
        ("value", r"features\[9, 0\]: value 7 of category 0"),
        ("twin", r"features\[9\]: the same features as item 8"),
    ],
)
def test_a_catalogue_or_vocabulary_that_does_not_fit_is_refused_before_the_first_batch(
    run_folder: Path,
    sequences: Sequences,
    settings: RecommendationsConfig,
    tmp_path: Path,
    kind: str,
    harm: str,
    words: str,
) -> None:
    shutil.copytree(run_folder, tmp_path / "run")
    folders = {stage: tmp_path / "run" / stage for stage in ("model", "vocabulary", "codes")}
    codes = Codes.load(folders["codes"])
    features, names, sizes = codes.features, codes.names, codes.cardinalities
    if harm == "vocabulary":
        other = Vocabulary.train(features, *sequences.training(), size=85, cardinalities=sizes)
        other.save(folders["vocabulary"] / "vocabulary.json")
    elif harm == "category":
        features, names, sizes = np.argwhere(np.ones((14, 5))).astype(np.uint32), names[:2], [14, 5]
    elif harm == "value":
        features[9, 0] = 7
    else:
        features[9] = features[8]
    Codes(codes.ids, features, names, sizes).save(folders["codes"])
    plan = Settings.of(settings.model_copy(update={"search": kind}), seed=0)
    with pytest.raises(InputError, match=words):
        Search.load(**folders, sequences=sequences, settings=plan, device="cpu")


def test_an_exact_average_needs_no_popularity_and_is_what_the_report_says(
    run_stage: Make, settings: RecommendationsConfig, made: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    report = run_stage(settings.model_copy(update={"search": "exact", "ensemble": "probabilities"}), tmp_path)
    assert (report["search"]["kind"], report["ensemble"]) == ("exact", "probabilities")
    assert (made[1]["search"]["kind"], made[1]["ensemble"]) == ("beam", "votes")
    assert report["test"]["lists_filled"] == report["test"]["empty_histories"]
    assert report["test"]["generated"] == 70 * 3 * (
        report["test"]["users"] - report["test"]["empty_histories"]
    )
    assert report["test"]["invalid"] == 0
    for row in rows_of(tmp_path, "recommendations"):
        assert len(row["items"]) == 50
        assert all(score < 0 for score in row["scores"])
        assert (np.diff(row["scores"]) <= 0).all()


@pytest.mark.parametrize("kind", ["beam", "exact"])
def test_half_precision_finds_nearly_the_same(
    run_folder: Path, sequences: Sequences, settings: RecommendationsConfig, kind: Any
) -> None:
    stages = {stage: run_folder / stage for stage in ("model", "vocabulary", "codes")}
    full = Settings(settings.beams, 1, settings.normalise, settings.batch_size, seed=3, search=kind)
    found = [
        Search.load(**stages, sequences=sequences, settings=plan, device="cpu").views(
            Histories.read(sequences, "test")
        )
        for plan in (full, replace(full, precision="bf16"))
    ]
    (items, scores), (half, rounded) = found
    assert not np.array_equal(scores, rounded)  # it does compute in another precision
    ours, theirs = (_by_item(*pair) for pair in ((items, scores), (half, rounded)))
    shared = [np.abs(a[item] - b[item]) for a, b in zip(ours, theirs, strict=True) for item in a.keys() & b]
    assert len(shared) > 0.9 * (items >= 0).sum()
    assert max(shared) < 0.2


def _by_item(items: Any, scores: Any) -> list[dict[int, float]]:
    return [
        {int(item): float(score) for item, score in zip(row, values, strict=True) if item >= 0}
        for row, values in zip(items[:, 0], scores[:, 0], strict=True)
    ]

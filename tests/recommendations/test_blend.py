"""The blend against its definition read aloud, at its ends, and from the stage to who is recommended to."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clairo.artifacts import Sequences
from clairo.config import RecommendationsConfig
from clairo.errors import InputError
from clairo.recommendations import Recommender, make
from clairo.recommendations.assortment import Assortment
from clairo.recommendations.blend import Blend
from clairo.recommendations.search import Search
from clairo.rivals.counted import ItemToItem, Neighbours, Popularity
from clairo.rivals.histories import Histories

STAGES = ("model", "vocabulary", "codes", "sequences")
FILES = ("model", "popularity", "markov", "item2item", "linear")
N = 9
ITEMS = st.lists(st.integers(0, N - 1), max_size=6)


def item2item(rows: list[list[int]], n_items: int, decay: float = 0.6) -> ItemToItem:
    events = [item for row in rows for item in row]
    lengths = [len(row) for row in rows]
    sequences = Sequences(
        items=np.array([f"i{item}" for item in range(n_items)]),
        users=np.array([f"u{user}" for user in range(len(rows))]),
        offsets=np.concatenate(([0], np.cumsum(lengths))),
        events=np.array(events, dtype=np.uint32),
        times=np.full(len(events), -1),
        train_end=np.array(lengths),
        validation=np.full(len(rows), -1),
        test=np.full(len(rows), -1),
        ties=np.zeros(len(rows), dtype=np.bool_),
        max_history=50,
    )
    popularity = Popularity.count(sequences)
    neighbours = Neighbours.count(sequences, window=2, backward=0.5)
    return ItemToItem(neighbours, decay, 0.001 * popularity.share, popularity)


def by_hand(
    found: list[int], scores: list[float], weight: float, allowed: set[int]
) -> list[tuple[int, float]]:
    """The definition: what each list says of an item's rank, added up item by item."""
    theirs = sorted(allowed, key=lambda item: (-scores[item], item))
    blended = []
    for item in sorted(allowed):
        score = weight / math.log2(theirs.index(item) + 2)
        if item in found:
            score += (1 - weight) / math.log2(found.index(item) + 2)
        if round(score, 12) > 0:
            blended.append((item, round(score, 12)))
    return sorted(blended, key=lambda pair: (-pair[1], pair[0]))


@settings(deadline=None)
@given(
    rows=st.lists(st.lists(st.integers(0, N - 1), min_size=2, max_size=7), min_size=1, max_size=5),
    lists=st.lists(st.lists(st.integers(0, N - 1), unique=True, max_size=N), min_size=3, max_size=3),
    histories=st.lists(ITEMS, min_size=3, max_size=3),
    deny=st.sets(st.integers(0, N - 1), max_size=4),
    weight=st.sampled_from([0.0, 0.05, 0.3, 0.5, 0.95, 1.0]),
    keep=st.integers(1, N),
)
def test_a_blended_list_is_what_both_lists_say_of_each_rank(
    rows: list[list[int]],
    lists: list[list[int]],
    histories: list[list[int]],
    deny: set[int],
    weight: float,
    keep: int,
) -> None:
    blend = Blend(weight, item2item(rows, N), 0.001)
    found = [[item for item in row if item not in deny] for row in lists]
    read, catalogue = Histories.of(histories), {f"i{item}": item for item in range(N)}
    some = Assortment.of(catalogue, len(histories), allow=None, deny=[f"i{item}" for item in deny])
    rankings = blend.rank(Histories.of(found), read, keep, some)
    scores = blend.item2item.scores(read).tolist()
    for row, history in enumerate(histories):
        expected = by_hand(found[row], scores[row], weight, set(range(N)) - deny) if history else []
        assert rankings[row].items.tolist() == [item for item, _ in expected[:keep]]
        np.testing.assert_allclose(rankings[row].scores, [score for _, score in expected[:keep]], atol=2e-12)
    if not deny:
        free = blend.rank(Histories.of(found), read, keep)
        assert [one.items.tolist() for one in free] == [one.items.tolist() for one in rankings]


def test_a_history_is_blended_alike_whatever_it_is_blended_together_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    blend = Blend(0.4, item2item([[0, 1, 2, 3], [4, 5, 6]], N), 0.001)
    found, read = Histories.of([[1, 2], [], [8], [3, 0]]), Histories.of([[0], [4, 5], [], [2, 1]])
    together = blend.rank(found, read, N)
    monkeypatch.setattr("clairo.rivals.counted._BATCH_SCORES", N)
    for one, other in zip(together, blend.rank(found, read, N), strict=True):
        assert one.items.tolist() == other.items.tolist()
        assert one.scores.tolist() == other.scores.tolist()


def test_a_blend_comes_back_from_its_file_and_knows_nothing_of_new_items(tmp_path: Path) -> None:
    rows = [[0, 1, 2, 3, 1], [4, 5, 6, 0]]
    blend = Blend(0.35, item2item(rows, 7), 0.001)
    blend.save(tmp_path)
    found, read = Histories.of([[6, 2], [0]]), Histories.of([[0, 1], [5]])
    before, after = blend.rank(found, read, 7), Blend.load(tmp_path, 7).rank(found, read, 7)
    for one, other in zip(before, after, strict=True):
        assert one.items.tolist() == other.items.tolist()
        assert one.scores.tolist() == other.scores.tolist()
    grown = Blend.load(tmp_path, 10)
    scores = grown.item2item.scores(Histories.of([[0, 8]]))[0]
    assert scores[7:].tolist() == [0, 0, 0]
    (ranking,) = grown.rank(Histories.of([[9, 6]]), Histories.of([[0, 1]]), 10)
    assert ranking.items.tolist().index(9) < 2  # the model alone brings it to the front
    assert ranking.items.tolist()[-2:] == [7, 8]


@pytest.mark.parametrize("harm", ["smaller catalogue", "cut", "lacking"])
def test_a_file_that_does_not_fit_is_named(tmp_path: Path, harm: str) -> None:
    Blend(0.5, item2item([[0, 1, 2]], 5), 0.001).save(tmp_path)
    path = tmp_path / "blend.npz"
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    elif harm == "lacking":
        path.unlink()
    with pytest.raises(InputError, match=r"blend\.npz"):
        Blend.load(tmp_path, 4 if harm == "smaller catalogue" else 5)


Run = Callable[[Any], tuple[Path, dict[str, Any]]]


@pytest.fixture(scope="module")
def made(run_folder: Path, settings: RecommendationsConfig, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The stage with a blend, each made once."""
    kept: dict[Any, tuple[Path, dict[str, Any]]] = {}

    def run(blend: Any) -> tuple[Path, dict[str, Any]]:
        if blend not in kept:
            out = tmp_path_factory.mktemp("blended")
            kept[blend] = out, stage(run_folder, settings, blend, out)
        return kept[blend]

    return run


def stage(run_folder: Path, cfg: RecommendationsConfig, blend: Any, out: Path) -> dict[str, Any]:
    """`blend` with item2item, or with the rival that it names behind its weight."""
    weight, rival = blend if isinstance(blend, tuple) else (blend, "item2item")
    cfg = cfg.model_copy(update={"blend": weight, "blend_with": rival})
    return make(cfg, **{name: run_folder / name for name in STAGES}, out=out, seed=11)


def lists(out: Path, file: str) -> pl.DataFrame:
    return pl.read_parquet(out / f"{file}.parquet")


def ndcg(table: pl.DataFrame) -> float:
    rows = table.filter(pl.col("split") == "validation").select("items", "target").iter_rows()
    gains = [
        1 / math.log2(items.index(target) + 2) if target in items[:10] else 0.0 for items, target in rows
    ]
    return sum(gains) / len(gains)


def test_off_leaves_what_it_left_before(made: Run) -> None:
    off, report = made("off")
    names = {f"{name}.parquet" for name in ("recommendations", *FILES[1:])}
    assert {path.name for path in off.iterdir()} == {*names, "settings.json", "report.json"}
    assert "blend" not in report


@pytest.mark.parametrize("blend", [0.0, 0.3, 1.0, "tuned", ("tuned", "linear")])
def test_the_model_and_its_rivals_are_the_same_with_and_without(made: Run, blend: Any) -> None:
    (off, plain), (on, report) = made("off"), made(blend)
    for file in FILES:
        without = off / f"{'recommendations' if file == 'model' else file}.parquet"
        assert (on / f"{file}.parquet").read_bytes() == without.read_bytes()
    assert (on / "settings.json").read_bytes() == (off / "settings.json").read_bytes()
    assert {**report, "search": 0, "blend": 0} == {**plain, "search": 0, "blend": 0}


def test_the_ends_are_the_two_lists(made: Run) -> None:
    for weight, rival, file in (
        (0.0, "item2item", "model"),
        (1.0, "item2item", "item2item"),
        (0.0, "linear", "model"),
        (1.0, "linear", "linear"),
    ):
        out, report = made((weight, rival))
        assert lists(out, "recommendations").drop("scores").equals(lists(out, file).drop("scores"))
        assert report["blend"] == {"with": rival, "weight": weight, "grid": []}


def test_it_is_mixed_with_the_rival_that_is_best_on_validation(made: Run) -> None:
    (best, report), (named, _) = made((0.3, "best")), made((0.3, "linear"))
    reached = {
        name: max(cell["ndcg@10"] for cell in report[name]["grid"]) for name in ("item2item", "linear")
    }
    assert reached["linear"] != reached["item2item"]
    assert report["blend"]["with"] == max(reached, key=reached.__getitem__)
    same = (best / "blend.npz").read_bytes() == (named / "blend.npz").read_bytes()
    assert same == (report["blend"]["with"] == "linear")


def test_lists_of_the_stage_are_those_by_hand(made: Run, sequences: Sequences) -> None:
    out, report = made(0.3)
    popularity, tuned = Popularity.count(sequences), report["item2item"]
    neighbours = Neighbours.count(sequences, window=tuned["window"], backward=0.5)
    rival = ItemToItem(neighbours, tuned["decay"], 0.001 * popularity.share, popularity)
    rows, place = sequences.item_index(), sequences.users.tolist()
    alone = {
        (user, split, masked): [rows[item] for item, score in zip(items, scores, strict=True) if score > 0]
        for user, split, masked, items, scores in lists(out, "model").drop("target").iter_rows()
    }
    differ = 0
    for user, split, masked, items, scores in lists(out, "recommendations").drop("target").iter_rows():
        row = place.index(user)
        history = sequences.history(row)[: getattr(sequences, split)[row]].tolist()
        if not history:
            continue
        theirs = rival.scores(Histories.of([history[-sequences.max_history :]]))[0].tolist()
        expected = by_hand(alone[user, split, False], theirs, 0.3, set(range(len(rows))))
        expected = [pair for pair in expected if not masked or pair[0] not in history][:50]
        assert [rows[item] for item in items] == [item for item, _ in expected]
        np.testing.assert_allclose(scores, [score for _, score in expected], atol=2e-12)
        differ += [rows[item] for item in items[:5]] != alone[user, split, masked][:5]
    assert differ > 30  # both lists show


def test_the_weight_is_the_best_of_validation_and_the_smallest_of_equals(made: Run) -> None:
    out, report = made("tuned")
    grid = report["blend"]["grid"]
    assert [cell["weight"] for cell in grid] == [round(0.05 * step, 2) for step in range(21)]
    best = max(cell["ndcg@10"] for cell in grid)
    assert report["blend"]["weight"] == next(cell["weight"] for cell in grid if cell["ndcg@10"] == best)
    assert ndcg(lists(out, "recommendations")) == pytest.approx(best)
    noted = {cell["weight"]: cell["ndcg@10"] for cell in grid}
    for weight in (0.0, 0.3, 1.0):
        assert ndcg(lists(made(weight)[0], "recommendations")) == pytest.approx(noted[weight])
    assert len(set(noted.values())) > 3


def test_an_interruption_leaves_no_trace_in_a_blend(
    run_folder: Path,
    settings: RecommendationsConfig,
    made: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls, rank = 0, Search.rank

    def interrupted(search: Search, histories: Histories) -> Any:
        nonlocal calls
        calls += 1
        if calls == 12:
            raise KeyboardInterrupt
        return rank(search, histories)

    monkeypatch.setattr(Search, "rank", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stage(run_folder, settings, "tuned", tmp_path)
    stage(run_folder, settings, "tuned", tmp_path)
    for path in made("tuned")[0].glob("*.parquet"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    assert (tmp_path / "blend.npz").read_bytes() == (made("tuned")[0] / "blend.npz").read_bytes()


@pytest.fixture(scope="module")
def recommender(run_folder: Path, made: Run, tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    run = tmp_path_factory.mktemp("run") / "blended"
    shutil.copytree(run_folder, run)
    shutil.copytree(made(0.3)[0], run / "recommendations")
    return Recommender.load(run)


def test_a_run_recommends_what_was_evaluated(
    recommender: Recommender, made: Run, sequences: Sequences
) -> None:
    rows = lists(made(0.3)[0], "recommendations").filter(pl.col("split") == "test")
    place = sequences.users.tolist()
    for masked in (False, True):
        table = rows.filter(pl.col("masked") == masked)
        users = [place.index(user) for user in table["user"]]
        histories = [
            sequences.items[sequences.history(user)[: sequences.test[user]]].tolist() for user in users
        ]
        for k in (5, 50):
            found = recommender.answer_many(histories, k=k, mask_history=masked)
            assert [[item for item, _ in one.items] for one in found] == [
                items[:k] for items in table["items"].to_list()
            ]
            assert [[score for _, score in one.items] for one in found] == [
                scores[:k] for scores in table["scores"].to_list()
            ]
        assert [one.source for one in found] == ["blend" if one else "popularity" for one in histories]
        assert all(one.filled == 0 for one in found if one.source == "blend")


def test_lists_of_what_may_come_out_hold_for_both_parts(recommender: Recommender) -> None:
    allow, deny = [f"B{row:03d}" for row in range(1, 70, 3)], ["B004", "B010"]
    history = ["B001", "B002", "B007"]
    found = recommender.answer(history, k=100, allow=allow, deny=deny)
    assert {item for item, _ in found.items} == set(allow) - set(deny) - set(history)
    assert [score for _, score in found.items] == sorted((s for _, s in found.items), reverse=True)
    everything = [f"B{row:03d}" for row in range(70)]
    assert recommender.recommend(history, k=70, allow=everything) == recommender.recommend(history, k=70)
    assert recommender.recommend([], allow=allow) == recommender.recommend(["nonsense"], allow=allow)
    assert recommender.answer([], k=3).source == "popularity"


def test_who_asks_for_a_blend_before_it_is_made_gets_the_model_and_is_told(
    run_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    (run / "config.toml").write_text('[recommendations]\nblend = "tuned"\n', "utf-8")
    with caplog.at_level("WARNING"):
        assert Recommender.load(run).answer(["B001"]).source == "model"
    assert "the recommendations stage, which makes the blend, has not run" in caplog.text

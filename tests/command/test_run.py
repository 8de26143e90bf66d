"""The whole system through its command: run, skip, change, kill, move, ask."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from clairo import Recommender, Vocabulary, pipeline
from clairo.artifacts import Codes, Sequences

STAGES = list(pipeline.STAGES)


def results(run: Path) -> dict[str, dict[str, str]]:
    """Digests of what every stage made, without the notes that hold times."""
    found = {}
    for stage in STAGES[:-1]:
        outputs = json.loads((run / stage / "manifest.json").read_text())["outputs"]
        found[stage] = {k: v for k, v in outputs.items() if k not in ("report.json", "history.json")}
    return found


@pytest.fixture
def run(finished: Path, world: Any) -> Any:
    """The tiny world with a copy of the finished run as its run folder."""
    shutil.copytree(finished, world.out)
    return world


def test_a_run_ends_with_the_path_of_its_report(run: Any) -> None:
    answer = run.run()
    assert answer.code == 0
    assert answer.out.splitlines()[-1] == str(run.out / "report" / "report.html")
    assert (run.out / "report" / "report.html").is_file()
    report = json.loads((run.out / "report" / "report.json").read_text())
    assert report["dataset"] == {**report["dataset"], "users": 40, "items": 24, "events": 320}
    for part in ("validation", "test", "masked"):
        assert {"recall@5", "recall@10", "ndcg@5", "ndcg@10"} <= report[part].keys()
    assert {"coverage@10", "invalid_rate"} <= report["test"].keys()
    assert report["test"]["invalid_rate"] == 0
    assert report["baselines"].keys() == {"popularity", "markov", "item2item", "linear"}
    assert all({"test", "masked"} <= rival.keys() for rival in report["baselines"].values())


def test_lists_hold_items_once_and_masked_ones_nothing_owned(run: Any) -> None:
    table = pl.read_parquet(run.out / "recommendations" / "recommendations.parquet")
    assert table.columns == ["user", "split", "masked", "items", "scores", "target"]
    assert len(table) == 3 * 40
    owned: dict[str, set[str]] = {}
    for row in run.rows:
        owned.setdefault(row["reviewerID"], set()).add(row["asin"])
    catalogue = {row["asin"] for row in run.rows}
    for user, _, masked, items, scores, target in table.iter_rows():
        assert len(set(items)) == len(items)
        assert set(items) <= catalogue
        assert scores == sorted(scores, reverse=True)
        if masked:
            assert not set(items) & (owned[user] - {target})
        else:
            assert len(items) == 24


def test_a_second_run_makes_nothing_again(run: Any) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.out.glob("*/manifest.json")}
    answer = run.run()
    assert answer.err.count("stands") == len(STAGES)
    assert before == {path: path.stat().st_mtime_ns for path in run.out.glob("*/manifest.json")}


def test_only_what_depends_on_a_change_is_made_again_and_the_log_says_why(run: Any) -> None:
    answer = run.run("--until", "vocabulary", vocabulary__size=170)
    assert "vocabulary: made again, because of config.size: 180 -> 170" in answer.err
    assert answer.err.count("stands") == 5
    states = {entry["stage"]: entry for entry in json.loads(run.type("status", run.out, "--json").out)}
    assert [stage for stage in STAGES if states[stage]["state"] == "done"] == STAGES[:6]
    assert any("inputs.vocabulary" in reason for reason in states["model"]["reasons"])


def test_the_same_raw_files_elsewhere_change_nothing(run: Any) -> None:
    moved = run.folder / "elsewhere"
    moved.mkdir()
    for path in (run.reviews, run.metadata):
        path.rename(moved / path.name)
    answer = run.run(reviews__reviews=moved / run.reviews.name, reviews__metadata=moved / run.metadata.name)
    assert answer.err.count("stands") == len(STAGES)


def test_a_changed_artefact_is_noticed_and_made_again(run: Any) -> None:
    (run.out / "codes" / "codes.npz").write_bytes(b"harm")
    assert "codes            stale    codes.npz was changed" in run.type("status", run.out).out
    answer = run.run("--until", "vocabulary")
    assert "codes: made again, because of codes.npz was changed" in answer.err
    assert "vocabulary: stands" in answer.err


def test_status_of_a_run_that_was_not_finished(world: Any) -> None:
    assert world.run("--until", "sequences").code == 0
    answer = world.type("status", world.out)
    assert [line.split()[1] for line in answer.out.splitlines()] == ["done"] * 2 + ["missing"] * 7


def test_two_runs_make_the_same(run: Any, finished: Path) -> None:
    shutil.rmtree(run.out)
    assert run.run().code == 0
    assert results(run.out) == results(finished)


def test_a_run_killed_at_any_moment_goes_on_to_the_same(world: Any, finished: Path) -> None:
    command = [sys.executable, "-m", "clairo.cli", "--progress", "plain", *world.command()]
    for moment in ("embeddings", "vocabulary", "model", "recommendations"):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while process.poll() is None and not (world.out / ".work" / moment).exists():
            time.sleep(0.005)
        time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert world.run().code == 0
    assert results(world.out) == results(finished)


def test_ctrl_c_stops_within_moments_and_the_run_goes_on(world: Any, finished: Path) -> None:
    command = [sys.executable, "-m", "clairo.cli", *world.command(model__epochs=500, model__patience=500)]
    log = world.folder / "log.txt"
    with log.open("w") as err, subprocess.Popen(command, stderr=err) as process:
        try:
            while process.poll() is None and "epoch 1: loss" not in log.read_text("utf-8"):
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 130
        finally:
            process.kill()
    told = log.read_text("utf-8")
    assert "stopped; the same command goes on from here" in told
    assert "epoch 500:" not in told
    assert "Traceback" not in told
    assert world.run().code == 0
    assert results(world.out) == results(finished)


def test_a_moved_run_recommends_without_the_raw_files(run: Any) -> None:
    moved = run.folder / "moved"
    run.out.rename(moved)
    run.reviews.unlink()
    run.metadata.unlink()
    history = [row["asin"] for row in run.rows if row["reviewerID"] == "U003"]
    by_items = json.loads(run.type("recommend", moved, "--items", ",".join(history), "-k", 5, "--json").out)
    by_user = json.loads(run.type("recommend", moved, "--user", "U003", "-k", 5, "--json").out)
    assert by_items["items"] == by_user["items"]
    assert [row["rank"] for row in by_items["items"]] == [1, 2, 3, 4, 5]
    assert all(row["title"] and row["item"] not in history for row in by_items["items"])
    direct = Recommender.load(moved).recommend(history, k=5)
    assert [item for item, _ in direct] == [row["item"] for row in by_items["items"]]
    assert [score for _, score in direct] == pytest.approx([row["score"] for row in by_items["items"]])


def test_allow_and_deny_lists_are_files_or_ids(run: Any) -> None:
    stock = run.write("stock.txt", "I001\n I002 \n\nI003\nsold-out\n")
    typed = run.type("recommend", run.out, "--items", "I004", "--allow", "I001,I002,I003,sold-out", "--json")
    read = run.type("recommend", run.out, "--items", "I004", "--allow", stock, "--json")
    assert read.out == typed.out
    reply = json.loads(read.out)
    assert {row["item"] for row in reply["items"]} == {"I001", "I002", "I003"}
    assert (reply["unknown"], reply["filled"]) == (["sold-out"], 0)
    assert "1 ids to allow or deny are not in the catalogue, ignored: sold-out" in read.err
    assert "only 3 items may be recommended" in read.err
    denied = run.type("recommend", run.out, "--items", "I002", "--allow", stock, "--deny", "I003", "--json")
    assert [row["item"] for row in json.loads(denied.out)["items"]] == ["I001"]
    nobody = run.type("recommend", run.out, "--items", "", "--allow", stock, "-k", 2, "--json")
    reply = json.loads(nobody.out)
    assert (reply["source"], reply["filled"], len(reply["items"])) == ("popularity", 2, 2)
    assert {row["item"] for row in reply["items"]} <= {"I001", "I002", "I003"}


@pytest.mark.parametrize("history", ["", "NOBODY,KNOWS"])
def test_an_unknown_history_gets_popularity_and_the_answer_says_so(run: Any, history: str) -> None:
    answer = run.type("recommend", run.out, "--items", history, "-k", 3, "--json")
    reply = json.loads(answer.out)
    assert reply["source"] == "popularity"
    assert reply["ignored"] == [item for item in history.split(",") if item]
    assert "most popular" in answer.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["recommend", "--user", "NOBODY"], "NOBODY"),
        (["recommend", "--items", "I001", "-k", "0"], "k"),
        (["recommend", "--items", "I001", "--allow", "no-such-file.txt"], "none of the 1 ids of allow"),
        (["recommend", "--items", "I001", "--allow", ""], "--allow '' holds no id"),
        (["recommend", "--items", "I001", "--deny", " , "], "--deny ' , ' holds no id"),
        (["describe", "NOTHING"], "NOTHING"),
        (["describe", "0"], "'0'"),
        (["describe", "999999"], "999999"),
    ],
)
def test_questions_that_have_no_answer(run: Any, words: list[str], told: str) -> None:
    answer = run.type(words[0], run.out, *words[1:])
    assert answer.code == 2
    assert told in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("harm", ["model", "vocabulary", "codes", "sequences"])
def test_recommending_from_a_run_that_lacks_a_part_says_which(run: Any, harm: str) -> None:
    shutil.rmtree(run.out / harm)
    answer = run.type("recommend", run.out, "--items", "I001")
    assert answer.code == 2
    assert harm in answer.err


def test_a_damaged_vocabulary_is_named(run: Any) -> None:
    path = run.out / "vocabulary" / "vocabulary.json"
    path.write_text(path.read_text()[:100])
    answer = run.type("recommend", run.out, "--items", "I001")
    assert answer.code == 2
    assert "vocabulary.json" in answer.err


def test_describe_tells_tokens_and_items_in_words(run: Any) -> None:
    item = run.type("describe", run.out, "I003").out
    assert "I003 (" in item
    assert "text 1 = " in item
    assert "disambiguation = " in item
    token = run.type("describe", run.out, "1").out
    assert token.startswith("token 1: text 1 = 0")
    vocabulary = Vocabulary.load(run.out / "vocabulary" / "vocabulary.json")
    merged = run.type("describe", run.out, vocabulary.n_initial).out
    assert "merged from tokens {} and {}".format(*vocabulary.merges[0]) in merged
    assert " times across two" in merged
    assert "items have all of it" in merged or "reaches across two actions" in merged
    assert re.search(r"stands in \d+ of 40 training histories", merged)


def test_a_token_is_shown_where_it_stands(run: Any) -> None:
    """The items shown have its features between them, and stand in the user's history side by side."""
    vocabulary = Vocabulary.load(run.out / "vocabulary" / "vocabulary.json")
    codes, sequences = Codes.load(run.out / "codes"), Sequences.load(run.out / "sequences")
    held = dict(zip(codes.ids.tolist(), codes.features.tolist(), strict=True))
    users = sequences.users.tolist()
    n_across = 0
    for token in range(vocabulary.n_initial, len(vocabulary), 5):
        for line in run.type("describe", run.out, token).out.splitlines():
            if found := re.match(r"    user (U\d+): (.*)", line):
                items = re.findall(r"I\d{3}(?= \()", found[2])
                n_across += len(items) > 1
                features = Counter(feature for item in items for feature in enumerate(held[item]))
                assert Counter(vocabulary.features_of(token)) <= features
                history = sequences.items[sequences.history(users.index(found[1]))].tolist()
                at = history.index(items[0])
                assert history[at : at + len(items)] == items
    assert n_across > 0


def test_report_is_written_again_from_the_artefacts(run: Any) -> None:
    page = run.out / "report" / "report.html"
    old = page.read_text()
    page.write_text("gone")
    answer = run.type("report", run.out)
    assert answer.out.strip() == str(page)
    assert len(page.read_text()) == pytest.approx(len(old), rel=0.01)


def test_progress_as_json_lines_goes_to_standard_error(world: Any) -> None:
    answer = world.type("--progress", "json", *world.command("--until", "codes"))
    entries = [json.loads(line) for line in answer.err.splitlines()]
    assert any(entry.get("step") and entry["state"] == "done" for entry in entries)
    assert answer.out.strip() == str(world.out / "codes")


def test_a_second_run_in_the_same_folder_is_kept_out(world: Any) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "clairo.cli", *world.command(model__epochs=500, model__patience=500)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None and not (world.out / ".work" / "model").exists():
            time.sleep(0.01)
        answer = world.run()
        assert answer.code == 2
        assert "another clairo works" in answer.err
    finally:
        process.kill()
        process.wait()


def test_help_answers_without_heavy_libraries() -> None:
    heavy = ("torch", "transformers", "polars", "faiss", "sklearn", "skimage")
    script = (
        "import sys\nfrom clairo.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"loaded = [name for name in {heavy!r} if name in sys.modules]\n"
        "sys.exit(f'loaded: {loaded}' if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "recommend" in done.stdout


def test_the_command_is_installed() -> None:
    command = Path(sys.executable).with_name("clairo")
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0
    assert done.stdout.startswith("clairo ")


def test_a_run_is_compared_with_its_rival_and_with_another(run: Any) -> None:
    """The figures are those of the report, and what a run differs by is found in the table of users."""
    report = json.loads((run.out / "report" / "report.json").read_text())
    rival = f"{run.out}:item2item"
    answer = run.type("compare", run.out, rival, "--condition", "masked", "--resamples", 100, "--json")
    found = json.loads(answer.out)
    assert (found["users"], found["condition"]) == (40, "masked")
    assert list(found["metrics"]) == ["recall@5", "recall@10", "ndcg@5", "ndcg@10"]
    for name, gap in found["metrics"].items():
        assert gap["first"] == pytest.approx(report["masked"][name])
        assert gap["second"] == pytest.approx(report["baselines"]["item2item"]["masked"][name])
        assert gap["difference"] == pytest.approx(gap["first"] - gap["second"])
    other = run.folder / "other"
    run.out.rename(run.folder / "kept")
    shutil.copytree(run.folder / "kept", other)
    table = pl.read_parquet(other / "report" / "users.parquet")
    kept = table.filter((pl.col("user") != "U003") | (pl.col("split") != "test"))
    kept.write_parquet(other / "report" / "users.parquet")
    answer = run.type("compare", run.folder / "kept", other, "--metric", "ndcg@10")
    assert answer.code == 0
    assert "test: 39 users that both have" in answer.out
    assert re.search(r"ndcg@10 +\S+ +\S+ +\+0\.0000 +\[\+0\.0000, \+0\.0000\] +0\.0% +1\.0000", answer.out)
    longer = kept.with_columns(pl.col("history_length") + 1)
    longer.write_parquet(other / "report" / "users.parquet")
    assert (
        "39 of 39 users have histories of another length"
        in run.type("compare", run.folder / "kept", other).err
    )
    kept.with_columns(target=pl.lit("I000")).write_parquet(other / "report" / "users.parquet")
    answer = run.type("compare", run.folder / "kept", other)
    assert answer.code == 2
    assert "another target" in answer.err
    assert "Traceback" not in answer.err


def test_a_tracker_that_is_not_there_stops_the_run_before_its_first_stage(world: Any) -> None:
    answer = world.run(model__tracker="no-such-tracker")
    assert answer.code == 2
    assert "model.tracker = 'no-such-tracker'" in answer.err
    assert not (world.out / "reviews").exists()


def test_a_tracker_writes_beside_the_artefacts_and_makes_none_stale(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate import tracking

    class Folders(tracking.GeneralTracker):  # type: ignore[misc]
        name = "folders"
        requires_logging_directory = True

        def __init__(self, _: str, logging_dir: str) -> None:
            self.tracker = Path(logging_dir)
            super().__init__()

        def start(self) -> None:
            self.tracker.mkdir(parents=True)

        def store_init_configuration(self, values: dict[str, Any]) -> None: ...

        def log(self, _: dict[str, Any], step: int | None) -> None:
            (self.tracker / f"step {step}").touch()

    monkeypatch.setitem(tracking.LOGGER_TYPE_TO_CLASS, "folders", Folders)
    before = results(run.out)
    answer = run.run(model__tracker="folders")
    assert answer.code == 0
    assert "model: stands" in answer.err
    shutil.rmtree(run.out / "model")
    assert run.run(model__tracker="folders").code == 0
    assert results(run.out) == before
    fingerprint = json.loads((run.out / "model" / "manifest.json").read_text())["fingerprint"]
    logged = [path.name for path in (run.out / "logs" / fingerprint[:8]).iterdir()]
    assert sorted(logged) == ["step 14", "step 7"]


def test_a_run_that_reads_whole_actions(run: Any) -> None:
    """Recommendations depend on which items are read, and not on how many views are asked for."""
    answer = run.run(model__reads="actions")
    assert answer.code == 0
    assert "config.reads: tokens -> actions" in answer.err
    assert json.loads((run.out / "model" / "model.json").read_text())["whole"] is True
    recommender = Recommender.load(run.out)
    assert recommender.settings.views == 1
    user = next(iter(recommender._user_rows))
    history = recommender.history(user)
    assert recommender.recommend(history) != recommender.recommend(history[:1])
    stamp = (run.out / "recommendations" / "recommendations.parquet").read_bytes()
    shutil.rmtree(run.out / "recommendations")
    assert run.run(model__reads="actions").code == 0
    assert (run.out / "recommendations" / "recommendations.parquet").read_bytes() == stamp
    assert json.loads((run.out / "recommendations" / "report.json").read_text())["views"] == 1


def test_a_run_without_permutation_and_without_merges_across_actions(run: Any) -> None:
    answer = run.run(vocabulary__across="false", model__permute="false")
    assert answer.code == 0
    assert "vocabulary: made again, because of config.across: True -> False" in answer.err
    assert "config.permute: True -> False" in answer.err
    meta = json.loads((run.out / "model" / "model.json").read_text())
    assert (meta["across"], meta["permute"]) == (False, False)
    assert Recommender.load(run.out).settings.views == 1
    token = run.type("describe", run.out, 1).out
    assert re.search(r"stands in \d+ of 40 training histories", token)

"""A run that grows: new users and items whose codes have room, a larger vocabulary, a model that goes on."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from clairo import Vocabulary
from clairo.artifacts import Codes, Sequences

if TYPE_CHECKING:
    from pathlib import Path

REVIEW = {"overall": 5.0, "verified": True, "reviewText": "good", "summary": "good"}
CODES = {f"I{item:03}": [f"<a_{item % 4}>", f"<b_{item // 4 % 3}>"] for item in range(30)}
SIZE = 180


def codes_from_files(world: Any) -> dict[str, object]:
    files = [str(world.write("things.index_text.json", CODES))]
    return {"codes__source": "files", "codes__files": json.dumps(files)}


def grow_data(world: Any) -> None:
    """Ten new users, who know six new items."""
    rng = np.random.default_rng(1)
    new = [
        REVIEW | {"reviewerID": f"V{user:03}", "asin": f"I{item:03}", "unixReviewTime": 1_600_000_000 + day}
        for user in range(10)
        for day, item in enumerate(rng.permutation(np.arange(18, 30))[:8].tolist())
    ]
    world.write_reviews(json.dumps(row) for row in [*world.rows, *new])


@pytest.fixture
def first(world: Any) -> Any:
    """The tiny world with a finished run on codes from files, and more data since."""
    answer = world.run("--until", "model", **codes_from_files(world))
    assert answer.code == 0, answer.err
    grow_data(world)
    return world


def grown(world: Any, *words: object, **overrides: object) -> Any:
    """Run into another folder from the run that stands; an override of None takes an option away."""
    old, world.out = world.out, world.folder / "grown"
    starts = {
        "codes__start_from": old,
        "vocabulary__start_from": old / "vocabulary" / "vocabulary.json",
        "model__start_from": old,
    }
    options = {**codes_from_files(world), **starts, "vocabulary__size": SIZE + 30, **overrides}
    return world.run(*words, **{name: value for name, value in options.items() if value is not None})


def vocabulary(run: Path) -> Vocabulary:
    return Vocabulary.load(run / "vocabulary" / "vocabulary.json")


def test_a_run_grows_and_recommends_what_is_new(first: Any) -> None:
    old = first.out
    answer = grown(first)
    assert answer.code == 0, answer.err
    assert f"{SIZE - 1} tokens are kept, 30 are new" in answer.err
    small, large = vocabulary(old), vocabulary(first.out)
    assert (len(small), len(large)) == (SIZE, SIZE + 30)
    assert large.initial_tokens == small.initial_tokens
    assert large.merges[: len(small.merges)].tolist() == small.merges.tolist()
    for token in range(1, len(small)):
        assert large.features_of(token) == small.features_of(token)
    before, after = Codes.load(old / "codes"), Codes.load(first.out / "codes")
    assert (len(before.ids), len(after.ids)) == (24, 30)
    places = [after.ids.tolist().index(item) for item in before.ids]
    assert after.features[places].tolist() == before.features.tolist()
    log = pl.read_parquet(first.out / "vocabulary" / "merges.parquet")
    assert log["corpus_tokens"].null_count() == len(log) == SIZE + 30 - small.n_initial
    shutil.rmtree(old)
    reply = json.loads(first.type("recommend", first.out, "--items", "I027,I029", "-k", 30, "--json").out)
    assert reply["source"] == "model"
    assert reply["ignored"] == []
    user = json.loads(first.type("recommend", first.out, "--user", "V003", "-k", 5, "--json").out)
    assert user["source"] == "model"
    assert len(user["items"]) == 5
    assert {f"I{item:03}" for item in range(24, 30)} - {row["item"] for row in reply["items"]} == {
        "I027",
        "I029",
    }


def test_what_it_started_from_is_part_of_what_it_is(first: Any) -> None:
    old = first.out
    assert grown(first, "--until", "vocabulary").code == 0
    assert first.type("status", first.out).out.split()[:10].count("stale") == 0
    moved = first.folder / "moved"
    old.rename(moved)
    assert "codes            stale    codes.start_from: " in first.type("status", first.out).out
    first.out = moved
    assert grown(first, "--until", "vocabulary").err.count("stands") == 4
    small = vocabulary(moved)
    codes, histories = Codes.load(moved / "codes"), Sequences.load(moved / "sequences")
    small.expand(codes.features, *histories.training(), size=SIZE + 5).save(
        moved / "vocabulary" / "vocabulary.json"
    )
    first.out = moved
    answer = grown(first, "--until", "vocabulary")
    assert "vocabulary: made again, because of inputs.1 vocabulary.json" in answer.err
    assert answer.err.count("stands") == 3


def test_the_command_grows_a_vocabulary(first: Any) -> None:
    old = first.out
    assert grown(first, "--until", "codes").code == 0
    out = first.folder / "larger.json"
    answer = first.type("expand", old, "--run", first.out, "--size", SIZE + 30, "--out", out)
    assert answer.code == 0, answer.err
    assert answer.out.strip() == str(out)
    assert "179 tokens are kept, 30 are new" in answer.err
    first.out = old
    assert grown(first, "--until", "vocabulary").code == 0
    assert out.read_bytes() == (first.out / "vocabulary" / "vocabulary.json").read_bytes()


def refused(world: Any, *words: object) -> str:
    answer = world.type("expand", *words)
    assert answer.code == 2
    assert not answer.out
    assert "Traceback" not in answer.err
    return str(answer.err)


def test_the_command_says_what_it_cannot_do(first: Any) -> None:
    old = first.out
    file = old / "vocabulary" / "vocabulary.json"
    before = file.read_bytes()
    out = first.folder / "larger.json"
    run = ("--run", old, "--size", 200)
    assert "there already" in refused(first, file, *run, "--out", file)
    assert "folder of a stage" in refused(first, file, *run, "--out", file.with_name("other.json"))
    assert "is no folder" in refused(first, file, *run, "--out", first.folder / "no" / "v.json")
    assert "size: 9 is below" in refused(first, file, "--run", old, "--size", 9, "--out", out)
    assert "no/vocabulary" in refused(first, first.folder / "no/vocabulary.json", *run, "--out", out)
    assert "codes.npz is missing" in refused(first, file, "--run", first.folder, "--size", 200, "--out", out)
    released = json.loads(before)
    del released["clairo"]
    path = first.write("released.json", released)
    assert "priorities only" in refused(first, path, *run, "--out", out)
    codes = Codes.load(old / "codes")
    features = codes.features.copy()
    features[5, 1] = 4
    Codes(codes.ids, features, codes.names, [4, 8, 128]).save(old / "codes")
    told = refused(first, file, *run, "--out", out)
    assert "item 'I005' has text 2 = 4" in told
    assert "cardinality 4" in told
    Codes(codes.ids, codes.features[:, 1:], codes.names[1:], [4, 128]).save(old / "codes")
    assert "has 3 categories, the codes have 2" in refused(first, file, *run, "--out", out)
    assert file.read_bytes() == before
    assert not out.exists()


def test_what_does_not_go_together_is_told_before_work(first: Any) -> None:
    run = first.out
    for option in ("codes", "model"):
        answer = first.run(**codes_from_files(first), **{f"{option}__start_from": first.folder / "no"})
        assert answer.code == 2
        assert f"{option}.start_from" in answer.err
    answer = first.run(**codes_from_files(first), vocabulary__start_from=first.folder / "no.json")
    assert "vocabulary.start_from: " in answer.err
    answer = first.run(**codes_from_files(first), model__start_from=run)
    assert answer.code == 2
    assert "lies in the run folder" in answer.err
    assert 'start_from needs source = "files"' in first.run(codes__start_from=run).err


def test_codes_that_changed_since_are_told(first: Any) -> None:
    changed = CODES | {"I003": ["<a_0>", "<b_2>"]}
    first.write("things.index_text.json", changed)
    options = {
        "codes__source": "files",
        "codes__files": json.dumps([str(first.folder / "things.index_text.json")]),
    }
    answer = first.run("--out", first.folder / "grown", codes__start_from=first.out, **options)
    assert answer.code == 2
    assert "item 'I003' has the codes [0, 2], but [3, 0] in the run" in answer.err
    other = {"codes__files": json.dumps([str(first.write("things.index_other.json", CODES))])}
    answer = grown(first, **other)
    assert answer.code == 2
    assert "categories of codes.files are other 1, other 2" in answer.err
    first.out = first.folder / "run"
    answer = grown(first, codes__disambiguation_values=8)
    assert answer.code == 2
    assert "codes.disambiguation_values = 8" in answer.err


def refused_run(world: Any, **overrides: object) -> str:
    """What the run that should have grown says; the run that it starts from stays the one to start from."""
    old = world.out
    answer = grown(world, **overrides)
    world.out = old
    assert answer.code == 2
    assert "Traceback" not in answer.err
    return str(answer.err)


def test_a_run_that_cannot_grow_says_why(first: Any) -> None:
    content = json.loads((first.out / "vocabulary" / "vocabulary.json").read_text())
    del content["clairo"]
    released = first.write("released.json", content)
    assert "priorities only" in refused_run(first, vocabulary__start_from=released)
    assert "size: 20 is below" in refused_run(first, vocabulary__size=20)
    told = refused_run(first, model__d_model=32)
    assert "has d_model = 16, this run asks for 32\nhint: set model.d_model = 16" in told
    told = refused_run(first, vocabulary__start_from=None)
    assert "is not the beginning of this run's: token " in told
    assert "hint: let this run's vocabulary grow from it" in told
    told = refused_run(first, vocabulary__start_from=None, vocabulary__size=SIZE - 1)
    assert f"hint: set vocabulary.size to {SIZE} or more" in told


def test_new_items_beyond_the_room_are_named(first: Any) -> None:
    wide = CODES | {"I027": ["<a_1>", "<b_6>"]}
    files = json.dumps([str(first.write("wide.index_text.json", wide))])
    told = refused_run(first, codes__files=files, codes__start_from=None, codes__values=8)
    assert "item 'I027' has text 2 = 6, but the vocabulary was trained with cardinality 4" in told

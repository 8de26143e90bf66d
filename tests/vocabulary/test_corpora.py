"""The scripts that make corpora and measure a training on them."""

import json
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clairo.artifacts import Codes, Sequences

# Item 4 is in the table and nowhere else; nothing follows item 3; the last two events of a user do not train.
HISTORIES = [[0, 1, 2, 0, 1], [0, 1, 0, 1, 3, 2, 2], [1, 1, 2], [2, 3, 2, 2], [0, 1]]
TRAINING = [[0, 1, 2], [0, 1, 0, 1, 3], [1], [2, 3]]
FEATURES = [[0, 0], [0, 1], [1, 0], [1, 1], [2, 0]]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    n, lengths = len(HISTORIES), np.array([len(history) for history in HISTORIES])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ends = np.array([3, 5, 1, 2, 0])
    none = np.full(n, -1)
    items, users = np.array(list("abcde")), np.array(list("uvwxy"))
    events = np.concatenate(HISTORIES).astype(np.uint32)
    times = np.full(len(events), -1)
    ties = np.zeros(n, dtype=np.bool_)
    for folder in ("sequences", "codes"):
        (tmp_path / folder).mkdir()
    Sequences(items, users, offsets, events, times, ends, none, none, ties, 50).save(tmp_path / "sequences")
    features = np.array(FEATURES, dtype=np.uint32)
    Codes(items, features, ["one", "two"], [3, 2]).save(tmp_path / "codes")
    return tmp_path


def script(checkout: Path, name: str, *words: object) -> str:
    command = [sys.executable, str(checkout / "scripts" / name), *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=checkout).stdout


def corpus(checkout: Path, run: Path, *words: object) -> tuple[Any, list[list[int]]]:
    script(checkout, "markov_corpus.py", run, run / "corpus.npz", *words)
    with np.load(run / "corpus.npz") as file:
        assert {file[name].dtype for name in ("features", "offsets", "events")} == {np.dtype(np.int64)}
        rows = np.split(file["events"], file["offsets"][1:-1])
        assert file["offsets"][0] == 0
        assert file["offsets"][-1] == len(file["events"])
        return file["features"], [row.tolist() for row in rows]


def test_the_real_corpus_is_the_training_histories(checkout: Path, run: Path) -> None:
    features, histories = corpus(checkout, run)
    assert features.tolist() == FEATURES
    assert histories == TRAINING


def test_synthetic_users_walk_as_the_real_ones(checkout: Path, run: Path) -> None:
    features, histories = corpus(checkout, run, "--times", 5000)
    assert features.tolist() == FEATURES
    assert len(histories) == 5000 * len(TRAINING)
    # Four lengths and four first items, equally often but for chance: 5,000 each, a standard deviation is 61.
    lengths, first = Counter(map(len, histories)), Counter(history[0] for history in histories)
    assert sorted(lengths) == [1, 2, 3, 5]
    assert all(abs(count - 5000) < 300 for count in lengths.values())
    assert sorted(first) == [0, 1, 2]
    assert abs(first[0] - 10_000) < 350
    steps = Counter(step for history in histories for step in pairwise(history))
    # What follows: 1 after 0; 2, 0 or 3 after 1; 3 after 2; after 3, which ends its histories, a first item.
    assert sorted(steps) == [(0, 1), (1, 0), (1, 2), (1, 3), (2, 3), (3, 0), (3, 1), (3, 2)]
    after_one = [steps[1, item] for item in (0, 2, 3)]
    assert max(after_one) - min(after_one) < 0.1 * min(after_one)
    assert abs(steps[3, 0] / (steps[3, 1] + steps[3, 2]) - 1) < 0.1


def test_the_seed_makes_the_corpus(checkout: Path, run: Path) -> None:
    once, again, other = (corpus(checkout, run, "--times", 9, "--seed", seed)[1] for seed in (3, 3, 4))
    assert once == again != other


def test_a_run_without_training_events_is_refused(checkout: Path, run: Path) -> None:
    sequences = Sequences.load(run / "sequences")
    sequences.train_end[:] = 0
    sequences.save(run / "sequences")
    with pytest.raises(subprocess.CalledProcessError) as error:
        corpus(checkout, run, "--times", 2)
    assert error.value.stderr.endswith("has no training events\n")


def test_a_training_is_measured(checkout: Path, run: Path) -> None:
    corpus(checkout, run)
    measured = [
        json.loads(script(checkout, "measure_training.py", run / "corpus.npz", *words))
        for words in ([], ["--plain"], ["--size", 7])
    ]
    for result in measured:
        assert result["seconds"] > 0
        assert 0 <= result["peak_above"] < result["peak"]
        assert (result["histories"], result["events"], result["features"]) == (4, 11, 22)
    assert measured[0]["digest"] == measured[1]["digest"] != measured[2]["digest"]
    # With tokens enough every history ends as one.
    assert measured[0]["tokens_left"] == len(TRAINING)
    # The first merge alone, by hand: the features of item 1, once, three times, once and never in a history.
    assert measured[2]["vocabulary"] == 7
    assert measured[2]["tokens_left"] == 22 - 5

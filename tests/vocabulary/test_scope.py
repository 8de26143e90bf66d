"""Merges inside actions alone, beside an oracle that knows no neighbours."""

from collections import defaultdict
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clairo import Vocabulary
from clairo.artifacts import Codes, Sequences
from clairo.config import VocabularyConfig
from clairo.errors import InputError
from clairo.vocabulary import FILE, make, scope


def merged_inside(sets: list[set[int]], first: int, n: int) -> list[tuple[tuple[int, int], Fraction]]:
    """The first `n` merges, the first of which makes token `first`; everything is counted again each time."""
    merges: list[tuple[tuple[int, int], Fraction]] = []
    while len(merges) < n:
        counts: dict[tuple[int, int], Fraction] = defaultdict(Fraction)
        for tokens in sets:
            for pair in combinations(sorted(tokens), 2):
                counts[pair] += Fraction(2, len(tokens))
        if not counts:
            break
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append((pair, counts[pair]))
        token = first + len(merges) - 1
        sets = [tokens - {*pair} | {token} if tokens >= {*pair} else tokens for tokens in sets]
    return merges


@st.composite
def corpora(draw: st.DrawFn) -> tuple[Any, list[int]]:
    n = draw(st.integers(1, 4))
    rows = draw(st.lists(st.tuples(*[st.integers(0, 3)] * n), min_size=1, max_size=8, unique=True))
    return np.array(rows, dtype=np.uint32), draw(
        st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=20)
    )


@given(corpora(), st.integers(0, 12))
@settings(max_examples=150)
def test_every_event_on_its_own_merges_as_the_oracle_does(corpus: tuple[Any, list[int]], n: int) -> None:
    features, history = corpus
    events = np.array(history, dtype=np.uint32)
    empty = Vocabulary.train(features, scope.alone(events), events, size=1)
    token_of = {feature: token for token, feature in enumerate(empty.initial_tokens, 1)}
    sets = [{token_of[place, int(value)] for place, value in enumerate(features[item])} for item in history]
    wanted = merged_inside(sets, empty.n_initial, n)
    found = Vocabulary.train(features, scope.alone(events), events, size=empty.n_initial + n)
    assert [tuple(pair) for pair in found.merges.tolist()] == [pair for pair, _ in wanted]
    assert found.counts is not None
    assert found.unit is not None
    assert [Fraction(count, found.unit) for count in found.counts] == [weight for _, weight in wanted]


@pytest.fixture
def stage(tmp_path: Path) -> SimpleNamespace:
    """Folders of the stages that the vocabulary reads, and one to write to."""
    folders = SimpleNamespace(**{name: tmp_path / name for name in ("codes", "sequences", "out")})
    for folder in vars(folders).values():
        folder.mkdir()
    rng = np.random.default_rng(0)
    n_users, length, n_items = 30, 6, 16
    items = np.array([f"item {i}" for i in range(n_items)])
    Sequences(
        items=items,
        users=np.array([f"user {u}" for u in range(n_users)]),
        offsets=np.arange(n_users + 1) * length,
        events=rng.integers(0, n_items, n_users * length).astype(np.uint32),
        times=np.full(n_users * length, -1),
        train_end=np.full(n_users, length - 2),
        validation=np.full(n_users, length - 2),
        test=np.full(n_users, length - 1),
        ties=np.zeros(n_users, dtype=np.bool_),
        max_history=20,
    ).save(folders.sequences)
    features = np.array([(i // 4, i % 4, 0) for i in range(n_items)], dtype=np.uint32)
    Codes(items, features, ["text 1", "text 2", "disambiguation"], [4, 4, 1]).save(folders.codes)
    return folders


def learn(stage: SimpleNamespace, **options: Any) -> tuple[Vocabulary, dict[str, Any]]:
    summary = make(
        VocabularyConfig(**options), codes=stage.codes, sequences=stage.sequences, out=stage.out, seed=0
    )
    return Vocabulary.load(stage.out / FILE), summary


def test_the_stage_merges_across_actions_unless_it_is_told_not_to(stage: SimpleNamespace) -> None:
    both, _ = learn(stage, size=60)
    assert scope.across(stage.out)
    assert not (stage.out / scope.FILE).exists()
    inside, summary = learn(stage, size=60, across=False)
    assert not scope.across(stage.out)
    assert both.joined is not None
    assert inside.joined is not None
    assert both.joined[1].sum() > 0
    assert inside.joined[1].sum() == 0
    features = [[value for _, value in inside.features_of(token)] for token in range(1, len(inside))]
    assert max(map(len, features)) <= inside.n_categories
    assert len(inside) < len(both) == 60  # nothing is left that stands together
    assert 30 * 4 <= summary["tokens_in_training"] < 30 * 4 * inside.n_categories
    learn(stage, size=60)
    assert scope.across(stage.out)


def test_a_vocabulary_grows_inside_actions(stage: SimpleNamespace, tmp_path: Path) -> None:
    small, _ = learn(stage, size=14, across=False)
    small.save(tmp_path / "small.json")
    grown, _ = learn(stage, size=20, across=False, start_from=tmp_path / "small.json")
    whole, _ = learn(stage, size=20, across=False)
    assert grown.merges.tolist() == whole.merges.tolist()


def test_a_damaged_note_is_named(tmp_path: Path) -> None:
    (tmp_path / scope.FILE).write_text("{")
    with pytest.raises(InputError, match=scope.FILE):
        scope.across(tmp_path)

"""Vocabulary files: damage and round trips. Their layout is checked in `test_layout.py`."""

import json
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clairo import InputError, Vocabulary, VocabularyError

FEATURES = [(0, 0, 1), (1, 0, 0), (2, 1, 1), (0, 1, 0)]
EVENTS = [0, 1, 2, 3, 0, 1, 1, 2]
OFFSETS = [0, 4, 7, 8]


def train(size: int = 24, cardinalities: list[int] | None = None) -> Vocabulary:
    return Vocabulary.train(FEATURES, OFFSETS, EVENTS, size=size, cardinalities=cardinalities)


def saved(folder: Path, vocabulary: Vocabulary) -> dict[str, Any]:
    vocabulary.save(folder / "vocabulary.json")
    content = json.loads((folder / "vocabulary.json").read_text())
    assert isinstance(content, dict)
    return content


def same(a: Vocabulary, b: Vocabulary) -> bool:
    arrays = np.array_equal(a.merges, b.merges) and np.array_equal(a.priorities, b.priorities)
    values = ("n_categories", "n_initial", "initial_tokens", "counts", "unit", "cardinalities", "size_asked")
    return arrays and len(a) == len(b) and all(getattr(a, name) == getattr(b, name) for name in values)


@pytest.mark.parametrize("vocabulary", [train(), train(1), train(30, [3, 2, 5]), train(10_000)], ids=len)
def test_vocabularies_survive_their_files(vocabulary: Vocabulary, tmp_path: Path) -> None:
    vocabulary.save(tmp_path / "vocabulary.json")
    assert same(Vocabulary.load(tmp_path / "vocabulary.json"), vocabulary)
    assert [path.name for path in tmp_path.iterdir()] == ["vocabulary.json"]


def test_pickles_are_the_same_vocabulary() -> None:
    assert same(pickle.loads(pickle.dumps(train(30, [3, 2, 5]))), train(30, [3, 2, 5]))  # noqa: S301


def test_a_loaded_vocabulary_encodes_as_the_trained_one(tmp_path: Path) -> None:
    vocabulary = train()
    vocabulary.save(tmp_path / "v.json")
    loaded = Vocabulary.load(str(tmp_path / "v.json"))
    for method in ("encode", "encode_deterministic"):
        for a, b in zip(
            *(getattr(v, method)(FEATURES, OFFSETS, EVENTS) for v in (vocabulary, loaded)), strict=True
        ):
            assert np.array_equal(a, b)


def test_wide_counts_survive(tmp_path: Path) -> None:
    vocabulary = Vocabulary.train([range(30), range(1, 31)], [0, 3], [0, 1, 0], size=300)
    assert vocabulary.unit == math.lcm(*range(1, 31)) ** 2 > 2**64
    vocabulary.save(tmp_path / "v.json")
    assert same(Vocabulary.load(tmp_path / "v.json"), vocabulary)


def test_a_file_without_our_entries_loads_without_counts(tmp_path: Path) -> None:
    content = saved(tmp_path, train())
    del content["clairo"]
    (tmp_path / "v.json").write_text(json.dumps(content))
    loaded = Vocabulary.load(tmp_path / "v.json")
    assert loaded.counts is None
    assert loaded.unit is None
    assert np.array_equal(loaded.priorities, train().priorities)


def test_a_rule_twice_counts_as_its_later_token(tmp_path: Path) -> None:
    content = {
        "n_categories": 2,
        "n_init_feats": 4,
        "token2feat": [[-1, -1], [0, 0], [0, 1], [1, 0], [-1, 1, 3], [-1, 2, 3], [-1, 1, 3]],
        "priority": [0, 0, 0, 0, 3.0, 2.0, 1.0],
    }
    (tmp_path / "v.json").write_text(json.dumps(content))
    vocabulary = Vocabulary.load(tmp_path / "v.json")
    assert len(vocabulary) == 7
    assert vocabulary.encode_flat([3, 1]).tolist() == [6]
    # Rule (2, 3) is token 5, the twice written (1, 3) counts as token 6: 5 goes first.
    assert vocabulary.encode_flat([1, 3, 2]).tolist() == [1, 5]
    assert vocabulary.canonical([[0, 0]])[0].tolist() == [6]
    assert vocabulary.features_of(4) == vocabulary.features_of(6) == [(0, 0), (1, 0)]


def test_saving_is_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"directory"):
        train().save(tmp_path / "folder")
    with pytest.raises(FileNotFoundError, match=r"missing"):
        train().save(tmp_path / "missing" / "v.json")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


Change = Callable[[dict[str, Any]], object]

DAMAGE: dict[str, tuple[str, Change]] = {
    "no categories": ("n_categories", lambda c: c.pop("n_categories")),
    "categories as text": ("n_categories", lambda c: c.update(n_categories="3")),
    "a fraction of a category": ("n_categories", lambda c: c.update(n_categories=2.5)),
    "fewer categories": (r"token2feat\[6\]", lambda c: c.update(n_categories=2)),
    "endless categories": ("n_categories", lambda c: c.update(n_categories=10**12)),
    "no initial tokens": ("n_init_feats", lambda c: c.update(n_init_feats=0)),
    "more initial tokens than tokens": ("token2feat", lambda c: c.update(n_init_feats=99)),
    "one initial token less": (r"token2feat\[7\]", lambda c: c.update(n_init_feats=7)),
    "one initial token more": (r"token2feat\[8\]", lambda c: c.update(n_init_feats=9)),
    "tokens as an object": ("token2feat", lambda c: c.update(token2feat={})),
    "a token missing": ("priority", lambda c: c["token2feat"].pop()),
    "a priority missing": ("priority", lambda c: c["priority"].pop()),
    "another padding token": (r"token2feat\[0\]", lambda c: c["token2feat"].__setitem__(0, [0, 0])),
    "a feature twice": (r"token2feat\[2\]", lambda c: c["token2feat"].__setitem__(2, [0, 0])),
    "features out of order": (r"token2feat\[3\]", lambda c: c["token2feat"].__setitem__(2, [0, 7])),
    "a negative value": (r"token2feat\[1\]", lambda c: c["token2feat"].__setitem__(1, [0, -2])),
    "a feature of three": (r"token2feat\[1\]", lambda c: c["token2feat"].__setitem__(1, [0, 0, 0])),
    "a merge of one": (r"token2feat\[9\]", lambda c: c["token2feat"].__setitem__(9, [-1, 1])),
    "a merge of three": (r"token2feat\[9\]", lambda c: c["token2feat"].__setitem__(9, [-1, 1, 2, 3])),
    "a merge without its mark": (r"token2feat\[9\]", lambda c: c["token2feat"].__setitem__(9, [2, 1, 2])),
    "a merge of itself": (r"token2feat\[9\]", lambda c: c["token2feat"].__setitem__(9, [-1, 1, 9])),
    "a merge of later tokens": (r"token2feat\[9\]", lambda c: c["token2feat"].__setitem__(9, [-1, 1, 10])),
    "a merge turned round": (r"token2feat\[9\]", lambda c: c["token2feat"].__setitem__(9, [-1, 2, 1])),
    "a merge of padding": (r"token2feat\[9\]", lambda c: c["token2feat"].__setitem__(9, [-1, 0, 1])),
    "a huge id": (r"token2feat\[9\]", lambda c: c["token2feat"].__setitem__(9, [-1, 1, 2**40])),
    "an id beyond all integers": (
        r"token2feat\[9\]",
        lambda c: c["token2feat"].__setitem__(9, [-1, 1, 2**70]),
    ),
    "a token as text": (r"token2feat\[9\]", lambda c: c["token2feat"].__setitem__(9, "1 2")),
    "a token of texts": (r"token2feat\[9\]", lambda c: c["token2feat"].__setitem__(9, ["-1", "1", "2"])),
    "our rule twice": (r"token2feat\[9\]", lambda c: c["token2feat"].__setitem__(9, c["token2feat"][8])),
    "a priority of a feature": (r"priority\[1\]", lambda c: c["priority"].__setitem__(1, 1.0)),
    "a negative priority": (r"priority\[9\]", lambda c: c["priority"].__setitem__(9, -1.0)),
    "a priority as text": (r"priority\[9\]", lambda c: c["priority"].__setitem__(9, "1.0")),
    "no priority": (r"priority\[9\]", lambda c: c["priority"].__setitem__(9, None)),
    "another priority": (r"clairo\.counts\[1\]", lambda c: c["priority"].__setitem__(9, 1.0625)),
    "our entries as a list": ("clairo", lambda c: c.update(clairo=[])),
    "a later version": (r"clairo\.version", lambda c: c["clairo"].update(version=3)),
    "another generator": (r"clairo\.generator", lambda c: c["clairo"].update(generator="dice")),
    "another unit": (r"clairo\.unit", lambda c: c["clairo"].update(unit="35")),
    "no counts": (r"clairo\.counts", lambda c: c["clairo"].pop("counts")),
    "a count as a number": (r"clairo\.counts\[0\]", lambda c: c["clairo"]["counts"].__setitem__(0, 1)),
    "a count missing": (r"clairo\.counts", lambda c: c["clairo"]["counts"].pop()),
    "other cardinalities": (r"clairo\.cardinalities", lambda c: c["clairo"].update(cardinalities=[3, 2, 3])),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_refused_by_file_and_entry(damage: str, tmp_path: Path) -> None:
    entry, change = DAMAGE[damage]
    content = saved(tmp_path, train())
    change(content)
    (tmp_path / "damaged.json").write_text(json.dumps(content))
    with pytest.raises(VocabularyError, match=rf"damaged\.json: {entry}: "):
        Vocabulary.load(tmp_path / "damaged.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "12", '{"n_categories": NaN}', "\x00", "[" * 10_000])
def test_what_is_no_vocabulary_is_refused_by_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text(text)
    with pytest.raises(VocabularyError, match=r"v\.json: not "):
        Vocabulary.load(tmp_path / "v.json")


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    train().save(tmp_path / "v.json")
    whole = (tmp_path / "v.json").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "v.json").write_bytes(whole[:length])
        with pytest.raises(VocabularyError, match=r"v\.json: not JSON"):
            Vocabulary.load(tmp_path / "v.json")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VocabularyError, match=r"nowhere\.json: "):
        Vocabulary.load(tmp_path / "nowhere.json")
    with pytest.raises(InputError):
        Vocabulary.load(tmp_path)


def test_a_chain_of_doublings_is_no_trap(tmp_path: Path) -> None:
    content = {
        "n_categories": 1,
        "n_init_feats": 2,
        "token2feat": [[-1, -1], [0, 0], *([-1, i, i] for i in range(1, 61))],
        "priority": [0, 0, *[1.0] * 60],
    }
    (tmp_path / "v.json").write_text(json.dumps(content))
    vocabulary = Vocabulary.load(tmp_path / "v.json")
    assert vocabulary.decode([61]) is None
    assert vocabulary.features_of(4) == [(0, 0)] * 8
    with pytest.raises(InputError, match="token: 61 stands for more than"):
        vocabulary.features_of(61)

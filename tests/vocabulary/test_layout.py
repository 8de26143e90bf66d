"""A checker of vocabulary files, written from the specification's section `File` alone, beside the loader."""

import json
import math
from collections import Counter
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clairo import Vocabulary, VocabularyError


class WrongFileError(Exception):
    """What the specification says of files does not hold of this one."""


def require(holds: bool, sentence: str) -> None:
    if not holds:
        raise WrongFileError(sentence)


def whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def wholes(value: object, length: int) -> bool:
    return isinstance(value, list) and len(value) == length and all(map(whole, value))


def check(text: bytes) -> dict[str, Any]:
    """The file's content.

    Raises:
        WrongFileError: it is not as specified.
    """
    try:
        content: dict[str, Any] = json.loads(
            text.decode(), parse_constant=lambda word: require(False, f"{word} is no JSON")
        )
    except (ValueError, RecursionError) as error:
        raise WrongFileError("JSON") from error
    require(isinstance(content, dict), "an object")
    for key in ("n_categories", "n_init_feats"):
        require(whole(content.get(key)) and content[key] >= 1, key)
    for key in ("token2feat", "priority"):
        require(isinstance(content.get(key), list), key)
    require(len(content["token2feat"]) == len(content["priority"]), "one entry a token in both")
    require(len(content["token2feat"]) >= content["n_init_feats"], "n_init_feats = n_initial")
    check_tokens(content["n_categories"], content["n_init_feats"], content["token2feat"])
    check_priorities(content["n_init_feats"], content["priority"])
    if "clairo" in content:
        check_ours(content, content["clairo"])
    return content


def check_tokens(n_categories: int, n_initial: int, tokens: list[Any]) -> None:
    require(wholes(tokens[0], 2) and tokens[0] == [-1, -1], "[-1, -1] for token 0")
    initial, merged = tokens[1:n_initial], list(enumerate(tokens))[n_initial:]
    require(all(wholes(token, 2) for token in initial), "[category, value]")
    require(all(0 <= category < n_categories for category, _ in initial), "categories are numbered from 0")
    require(all(value >= 0 for _, value in initial), "values are non-negative integers")
    require(
        all(a < b for a, b in pairwise(initial)),
        "distinct features, by category, then value",
    )
    require(all(wholes(token, 3) and token[0] == -1 for _, token in merged), "[-1, u, v]")
    require(all(1 <= u <= v < own for own, (_, u, v) in merged), "1 <= u <= v < own id")


def check_priorities(n_initial: int, priorities: list[Any]) -> None:
    require(all(whole(it) or isinstance(it, float) for it in priorities), "numbers")
    require(all(it == 0 for it in priorities[:n_initial]), "priorities 0 up to n_initial")
    require(all(math.isfinite(it) for it in priorities[n_initial:]), "then doubles")
    # Minus zero would be a count below zero.
    require(all(math.copysign(1, it) > 0 for it in priorities[n_initial:]), "priorities are counts")


def check_ours(content: dict[str, Any], ours: Any) -> None:
    """What our own files say beside, and what only ours promise."""
    n, n_initial, tokens = (content[key] for key in ("n_categories", "n_init_feats", "token2feat"))
    merges = [tuple(token) for token in tokens[n_initial:]]
    require(len(set(merges)) == len(merges), "our own vocabularies never contain a repeat")
    require(isinstance(ours, dict), "an object of our own")
    require(ours.get("version") == 2 and ours.get("generator") == "splitmix64/1", "the format's version")
    require(n < 64 and ours.get("unit") == str(math.lcm(*range(1, n + 1)) ** 2), "the unit 1 / lcm(1..n)^2")
    counts, joins = ours.get("counts"), [ours.get("inside"), ours.get("across")]
    require(isinstance(counts, list) and len(counts) == len(merges), "a count a merge")
    require(all(isinstance(it, str) and it.isascii() and it.isdigit() for it in counts), "whole counts")
    require(all(0 < int(it) < 2**127 for it in counts), "counts above zero")
    # Python divides integers to the nearest double.
    nearest = [int(count) / int(ours["unit"]) for count in counts]
    require(content["priority"][n_initial:] == nearest, "priorities are the nearest doubles of counts")
    require(all(wholes(it, len(merges)) and all(n >= 0 for n in it) for it in joins), "joins of every merge")
    require(sum(chain(*joins)) < 2**63, "joins that can be added up")
    size = ours.get("size_asked")
    require(whole(size) and size >= (len(tokens) if merges else 1), "merges up to the size asked")
    check_cardinalities(ours, n, tokens[1:n_initial])


def check_cardinalities(ours: dict[str, Any], n: int, initial: list[list[int]]) -> None:
    require("cardinalities" in ours, "cardinalities, or null")
    cardinalities = ours["cardinalities"]
    if cardinalities is not None:
        require(wholes(cardinalities, n) and all(it >= 1 for it in cardinalities), "a cardinality a category")
        require(sum(cardinalities) == len(initial), "every value below each cardinality")
        every = [[category, value] for category in range(n) for value in range(cardinalities[category])]
        require(initial == every, "every value below each cardinality")


def accepted(text: bytes) -> bool:
    try:
        check(text)
    except WrongFileError:
        return False
    return True


def loads(path: Path) -> bool:
    try:
        Vocabulary.load(path)
    except VocabularyError:
        return False
    return True


Corpus = tuple[list[tuple[int, ...]], list[list[int]], list[int] | None]


@st.composite
def corpora(draw: st.DrawFn) -> Corpus:
    """Features, histories, and sometimes cardinalities."""
    n_categories, n_values = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    item = st.tuples(*[st.integers(0, n_values - 1)] * n_categories)
    features = draw(st.lists(item, min_size=1, max_size=8, unique=True))
    history = st.lists(st.integers(0, len(features) - 1), max_size=12)
    sizes = st.lists(st.integers(n_values, 6), min_size=n_categories, max_size=n_categories)
    return features, draw(st.lists(history, max_size=6)), draw(st.none() | sizes)


def saved(folder: Path, corpus: Corpus, size: int) -> bytes:
    features, histories, cardinalities = corpus
    offsets = np.cumsum([0, *map(len, histories)])
    events = list(chain(*histories))
    Vocabulary.train(features, offsets, events, size=size, cardinalities=cardinalities).save(
        folder / "v.json"
    )
    return (folder / "v.json").read_bytes()


@given(corpora(), st.integers(1, 60))
@settings(max_examples=200, deadline=None)
def test_saved_files_are_as_specified(
    tmp_path_factory: pytest.TempPathFactory, corpus: Corpus, size: int
) -> None:
    content = check(saved(tmp_path_factory.mktemp("saved"), corpus, size))
    features, histories, cardinalities = corpus
    rows = [list(range(it)) for it in cardinalities] if cardinalities else list(zip(*features, strict=True))
    initial = [[category, value] for category, row in enumerate(rows) for value in sorted(set(row))]
    assert content["token2feat"][1 : content["n_init_feats"]] == initial
    assert content["clairo"]["size_asked"] == size
    assert content["clairo"]["cardinalities"] == cardinalities
    # Every merge is made somewhere, every join takes one token away, and every history keeps one.
    joins = [sum(both) for both in zip(content["clairo"]["inside"], content["clairo"]["across"], strict=True)]
    assert min(joins, default=1) >= 1
    assert sum(joins) <= sum(len(row) * len(features[0]) - 1 for row in histories if row)


def test_the_released_file_is_as_specified(shared: Path) -> None:
    content = check((shared / "golden" / "upstream_instruments_text_40000.json").read_bytes())
    merges = Counter(tuple(token) for token in content["token2feat"][content["n_init_feats"] :])
    twice = [pair for pair, times in merges.items() if times > 1]
    assert len(content["token2feat"]) == 40_000
    assert len(twice) == 316
    assert sum(merges[pair] - 1 for pair in twice) == 323
    assert "clairo" not in content


def test_the_checker_and_the_loader_agree_on_what_fuzzing_found(checkout: Path) -> None:
    paths = sorted((checkout / "rust" / "fuzz" / "corpus" / "load_vocabulary").iterdir())
    right = {path.name: not path.name.startswith(("damage", "no_json")) for path in paths}
    assert {path.name: loads(path) for path in paths} == right
    assert {path.name: accepted(path.read_bytes()) for path in paths} == right
    assert Counter(right.values())[True] >= 10
    assert Counter(right.values())[False] >= 40


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_the_checker_and_the_loader_agree_on_any_changed_byte(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    corpus: Corpus = ([(0, 0), (1, 0), (1, 1)], [[0, 1, 2], [1, 0]], [2, 2])
    content = bytearray(saved(folder, corpus, data.draw(st.sampled_from([1, 9, 12]))))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255) | st.sampled_from(b'0123456789-.e,[]{}": '))
    (folder / "v.json").write_bytes(content)
    assert loads(folder / "v.json") == accepted(bytes(content))
    if loads(folder / "v.json"):
        Vocabulary.load(folder / "v.json").save(folder / "again.json")
        check((folder / "again.json").read_bytes())

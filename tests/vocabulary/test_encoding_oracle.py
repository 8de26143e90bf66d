"""The encodings beside oracles written from the specification alone: slow, and obvious."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from hypothesis import given, settings
from hypothesis import strategies as st

from clairo import Vocabulary, _clairo

Rules = dict[tuple[int, int], int]


@dataclass(frozen=True)
class World:
    """A trained vocabulary with the corpus it came from, and its rules as a plain table."""

    features: list[tuple[int, ...]]
    histories: list[list[int]]
    vocabulary: Vocabulary
    rules: Rules = field(default_factory=dict)

    @property
    def corpus(self) -> tuple[list[tuple[int, ...]], npt.NDArray[np.int64], list[int]]:
        return self.features, np.cumsum([0, *map(len, self.histories)]), list(chain(*self.histories))

    def tokens(self, item: int) -> list[int]:
        numbers = {feature: i for i, feature in enumerate(self.vocabulary.initial_tokens, start=1)}
        return [numbers[feature] for feature in enumerate(self.features[item])]

    def priority(self, token: int) -> float:
        return float(self.vocabulary.priorities[token - self.vocabulary.n_initial])

    def rule(self, u: int, v: int) -> int | None:
        return self.rules.get((min(u, v), max(u, v)))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Items, histories, and a vocabulary: trained on other histories of the items, or drawn rule by rule."""
    n_categories, n_values = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    item = st.tuples(*[st.integers(0, n_values - 1)] * n_categories)
    features = draw(st.lists(item, min_size=1, max_size=8, unique=True))
    history = st.lists(st.integers(0, len(features) - 1), max_size=9)
    histories = st.lists(history, min_size=1, max_size=8)
    source = draw(st.sampled_from([trained, drawn]))
    vocabulary = source(draw, features, draw(histories))
    rules = {(u, v): i for i, (u, v) in enumerate(vocabulary.merges.tolist(), start=vocabulary.n_initial)}
    return World(features, draw(histories), vocabulary, rules)


def trained(draw: st.DrawFn, features: list[tuple[int, ...]], histories: list[list[int]]) -> Vocabulary:
    offsets = np.cumsum([0, *map(len, histories)])
    return Vocabulary.train(features, offsets, list(chain(*histories)), size=draw(st.integers(1, 60)))


def drawn(draw: st.DrawFn, features: list[tuple[int, ...]], _histories: list[list[int]]) -> Vocabulary:
    """Any rules with priorities that rise, fall and tie; now and then a rule twice, as in released files."""
    initial = sorted(set(chain(*(enumerate(item) for item in features))))
    tokens: list[list[int]] = [[-1, -1], *([category, value] for category, value in initial)]
    for _ in range(draw(st.integers(0, 25))):
        pair = st.integers(1, min(len(tokens) - 1, len(initial) + 6))
        tokens.append([-1, *sorted((draw(pair), draw(pair)))])
    n_rules = len(tokens) - len(initial) - 1
    priorities = st.sampled_from([0.5, 1.0, 1.0, 2.0, 4.639999999999999, 4.64])
    drawn_priorities = draw(st.lists(priorities, min_size=n_rules, max_size=n_rules))
    content = {
        "n_categories": len(features[0]),
        "n_init_feats": len(initial) + 1,
        "token2feat": tokens,
        "priority": [0] * (len(initial) + 1) + drawn_priorities,
    }
    return Vocabulary(_clairo.Vocabulary.from_json(json.dumps(content).encode(), Path("drawn")))


def split(tokens: npt.NDArray[np.uint32], offsets: npt.NDArray[np.int64]) -> list[list[int]]:
    return [row.tolist() for row in np.split(tokens, offsets[1:-1])]


def rank_order(world: World, flat: list[int]) -> list[int]:
    row = list(flat)
    while True:
        rules = [(world.rule(row[i], row[i + 1]), i) for i in range(len(row) - 1)]
        found = [(token, i) for token, i in rules if token is not None]
        if not found:
            return row
        token, i = min(found)
        row[i : i + 2] = [token]


def canonical(world: World, item: int) -> list[int]:
    tokens = set(world.tokens(item))
    while True:
        rules = [(world.rule(u, v), u, v) for u in tokens for v in tokens if u < v]
        found = [(-world.priority(token), token, u, v) for token, u, v in rules if token is not None]
        if not found:
            return sorted(tokens)
        _, token, u, v = min(found)
        tokens = tokens - {u, v} | {token}


@dataclass
class Row:
    """A history under deterministic encoding."""

    world: World
    sets: list[set[int]]
    slots: list[int | None]

    def places(self) -> Iterator[tuple[int, str, int, int, int, int]]:
        """Set, kind of place, the two tokens, k and D; in order."""
        for i, own in enumerate(self.sets):
            yield from ((i, "a", u, v, 2, len(own)) for u in sorted(own) for v in sorted(own) if u < v)
            if i == len(self.slots):
                return
            slot, right = self.slots[i], self.sets[i + 1]
            if slot is None:
                yield from (
                    (i, "b", u, v, 1, len(own) * len(right)) for u in sorted(own) for v in sorted(right)
                )
            else:
                yield from ((i, "b", u, slot, 1, len(own)) for u in sorted(own))
                yield from ((i, "c", slot, v, 1, len(right)) for v in sorted(right))

    def step(self) -> bool:
        found = []
        for order, (i, kind, u, v, k, size) in enumerate(self.places()):
            token = self.world.rule(u, v)
            if token is not None:
                score = (k * self.world.priority(token)) / size
                found.append((-score, token, order, i, kind, u, v))
        if not found:
            return False
        _, token, _, i, kind, u, v = min(found)
        if kind == "a":
            self.sets[i] = self.sets[i] - {u, v} | {token}
        else:
            if self.slots[i] is None or kind == "b":
                self.sets[i].remove(u)
            if self.slots[i] is None or kind == "c":
                self.sets[i + 1].remove(v)
            self.slots[i] = token
        self.settle()
        return True

    def settle(self) -> None:
        i = 0
        while i < len(self.sets):
            around = [j for j in (i - 1, i) if 0 <= j < len(self.slots)]
            full = [j for j in around if self.slots[j] is not None]
            if self.sets[i]:
                i += 1
            elif full:
                self.sets[i], self.slots[full[0]] = {self.slots[full[0]] or 0}, None
            else:
                del self.sets[i], self.slots[around[0]]

    def tokens(self) -> list[int]:
        slots = [[] if slot is None else [slot] for slot in self.slots]
        rows = [sorted(own) + slot for own, slot in zip(self.sets, [*slots, []], strict=True)]
        return list(chain(*rows))


def deterministic(world: World, history: list[int]) -> list[int]:
    if not history:
        return []
    row = Row(world, [set(world.tokens(item)) for item in history], [None] * (len(history) - 1))
    while row.step():
        pass
    return row.tokens()


class Generator:
    """SplitMix64 in Python's integers."""

    STEP, MASK = 0x9E3779B97F4A7C15, 2**64 - 1

    def __init__(self, seed: int, row: int) -> None:
        self.state = self.mix((self.mix((seed + self.STEP) & self.MASK) + row) & self.MASK)

    def mix(self, z: int) -> int:
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & self.MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & self.MASK
        return z ^ (z >> 31)

    def below(self, n: int) -> int:
        while True:
            self.state = (self.state + self.STEP) & self.MASK
            product = self.mix(self.state) * n
            if product & self.MASK >= 2**64 % n:
                return product >> 64

    def shuffled(self, values: list[int]) -> list[int]:
        values = list(values)
        for i in range(len(values) - 1, 0, -1):
            j = self.below(i + 1)
            values[i], values[j] = values[j], values[i]
        return values


def permuted(world: World, history: list[int], seed: int, row: int) -> list[int]:
    generator = Generator(seed, row)
    return list(chain(*(generator.shuffled(world.tokens(item)) for item in history)))


SLOWLY = settings(max_examples=250, deadline=None)
seeds = st.integers(0, 2**64 - 1)


@given(worlds(), seeds)
@SLOWLY
def test_permuted_encoding(world: World, seed: int) -> None:
    right = [
        rank_order(world, permuted(world, history, seed, row)) for row, history in enumerate(world.histories)
    ]
    assert split(*world.vocabulary.encode(*world.corpus, seed=seed)) == right


@given(worlds(), seeds, st.data())
@SLOWLY
def test_permutations_follow_the_given_rows(world: World, seed: int, data: st.DataObject) -> None:
    n = len(world.histories)
    rows = data.draw(st.lists(st.integers(0, 2**63 - 1), min_size=n, max_size=n))
    right = [
        rank_order(world, permuted(world, *each))
        for each in zip(world.histories, [seed] * n, rows, strict=True)
    ]
    assert split(*world.vocabulary.encode(*world.corpus, seed=seed, rows=rows)) == right


@given(worlds())
@SLOWLY
def test_deterministic_encoding(world: World) -> None:
    right = [deterministic(world, history) for history in world.histories]
    assert split(*world.vocabulary.encode_deterministic(*world.corpus)) == right


@given(worlds())
@SLOWLY
def test_canonical_encoding(world: World) -> None:
    rows = split(*world.vocabulary.canonical(world.features))
    assert rows == [canonical(world, item) for item in range(len(world.features))]


@given(worlds(), st.data())
@SLOWLY
def test_flat_encoding_of_any_tokens(world: World, data: st.DataObject) -> None:
    flat = data.draw(st.lists(st.integers(1, len(world.vocabulary) - 1), max_size=30))
    assert world.vocabulary.encode_flat(flat).tolist() == rank_order(world, flat)


@given(worlds())
@SLOWLY
def test_decoding_gives_the_item_back_and_nothing_else(world: World) -> None:
    vocabulary = world.vocabulary
    for values, row in zip(world.features, split(*vocabulary.canonical(world.features)), strict=True):
        decoded = vocabulary.decode(row)
        assert decoded is not None
        assert decoded.dtype == np.int64
        assert tuple(decoded.tolist()) == values
        assert vocabulary.decode([*row, row[0]]) is None
        assert vocabulary.decode(row[1:]) is None


@given(worlds())
@SLOWLY
def test_a_token_stands_for_the_features_of_its_parts(world: World) -> None:
    vocabulary = world.vocabulary
    for (u, v), token in world.rules.items():
        parts: list[Any] = [*vocabulary.features_of(u), *vocabulary.features_of(v)]
        assert sorted(vocabulary.features_of(token)) == sorted(parts)
    assert [vocabulary.features_of(token) for token in range(1, vocabulary.n_initial)] == [
        [feature] for feature in vocabulary.initial_tokens
    ]


@given(worlds(), st.data())
@SLOWLY
def test_the_features_of_a_row_are_an_item_only_if_every_category_occurs_once(
    world: World, data: st.DataObject
) -> None:
    row = data.draw(st.lists(st.integers(-1, len(world.vocabulary) + 1), max_size=5))
    known = row and all(1 <= token < len(world.vocabulary) for token in row)
    features = (
        sorted(feature for token in row for feature in world.vocabulary.features_of(token)) if known else []
    )
    categories = [category for category, _ in features]
    decoded = world.vocabulary.decode(row)
    if categories == list(range(len(world.features[0]))):
        assert decoded is not None
        assert decoded.tolist() == [value for _, value in features]
    else:
        assert decoded is None


def test_batches_and_threads_make_no_difference() -> None:
    rng = np.random.default_rng(3)
    features = np.unique(rng.integers(0, 9, (60, 4)), axis=0)
    lengths = rng.integers(0, 12, 500)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    events = rng.integers(0, len(features), offsets[-1])
    vocabulary = Vocabulary.train(features, offsets, events, size=400)
    tokens, ends = vocabulary.encode(features, offsets, events, seed=9, threads=1)
    again, ends_again = vocabulary.encode(features, offsets, events, seed=9, threads=8)
    assert np.array_equal(tokens, again)
    assert np.array_equal(ends, ends_again)
    for row in (0, 17, 499):
        own = events[offsets[row] : offsets[row + 1]]
        alone, _ = vocabulary.encode(features, [0, len(own)], own, seed=9, rows=[row])
        assert np.array_equal(alone, tokens[ends[row] : ends[row + 1]])

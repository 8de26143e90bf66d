"""Training beside an oracle that recounts the whole corpus in fractions after every merge.

The oracle is written from the specification alone. It may be slow, it may not be subtle.
"""

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, combinations, product

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clairo import Vocabulary

Pair = tuple[int, int]


@dataclass
class Row:
    """A history: sets of tokens, and a slot between any two of them."""

    sets: list[set[int]]
    slots: list[int | None]

    def pairs(self) -> dict[Pair, Fraction]:
        weights: dict[Pair, Fraction] = defaultdict(Fraction)
        for tokens in self.sets:
            for u, v in combinations(sorted(tokens), 2):
                weights[u, v] += Fraction(2, len(tokens))
        for i, slot in enumerate(self.slots):
            left, right = self.sets[i], self.sets[i + 1]
            for a, b in [(left, right)] if slot is None else [(left, {slot}), ({slot}, right)]:
                for u, v in product(a, b):
                    weights[min(u, v), max(u, v)] += Fraction(1, len(a) * len(b))
        return weights

    def merge(self, pair: Pair, new: int) -> None:
        for i in range(len(self.sets)):
            self._inside(i, pair, new)
            if i < len(self.slots):
                self._across(i, pair, new)
        self._settle()

    def _inside(self, i: int, pair: Pair, new: int) -> None:
        if pair[0] != pair[1] and self.sets[i] >= set(pair):
            self.sets[i] = self.sets[i] - set(pair) | {new}

    def _across(self, i: int, pair: Pair, new: int) -> None:
        for u, v in [pair, pair[::-1]]:
            left, right = self.sets[i], self.sets[i + 1]
            if self.slots[i] is None and u in left and v in right:
                left.remove(u)
                right.remove(v)
                self.slots[i] = new
            elif self.slots[i] == u and v in left:
                left.remove(v)
                self.slots[i] = new
        for u, v in [pair, pair[::-1]]:
            if self.slots[i] == u and v in self.sets[i + 1]:
                self.sets[i + 1].remove(v)
                self.slots[i] = new

    def _settle(self) -> None:
        i = 0
        while i < len(self.sets):
            if self.sets[i]:
                i += 1
                continue
            full = [j for j in (i - 1, i) if 0 <= j < len(self.slots) and self.slots[j] is not None]
            if full:
                slot = self.slots[full[0]]
                assert slot is not None
                self.sets[i] = {slot}
                self.slots[full[0]] = None
            else:
                del self.sets[i]
                del self.slots[min(i, len(self.slots) - 1)]


@dataclass(frozen=True)
class Corpus:
    features: list[tuple[int, ...]]
    histories: list[list[int]]

    def arrays(self) -> tuple[list[tuple[int, ...]], list[int], list[int]]:
        offsets = np.cumsum([0, *map(len, self.histories)]).tolist()
        return self.features, offsets, list(chain(*self.histories))

    def train(self, size: int, cardinalities: list[int] | None = None) -> Vocabulary:
        return Vocabulary.train(*self.arrays(), size=size, cardinalities=cardinalities)


def oracle(
    corpus: Corpus,
    size: int,
    features: list[tuple[int, int]] | None = None,
    old: list[tuple[Pair, Fraction]] | None = None,
) -> list[tuple[Pair, Fraction]]:
    """The merges, and their exact priorities; with the `features` and merges of an `old` vocabulary first."""
    if features is None:
        features = sorted({feature for item in corpus.features for feature in enumerate(item)})
    tokens = {feature: token for token, feature in enumerate(features, start=1)}
    items = [{tokens[feature] for feature in enumerate(item)} for item in corpus.features]
    rows = [
        Row([set(items[event]) for event in history], [None] * (len(history) - 1))
        for history in corpus.histories
        if history
    ]
    merges = list(old or [])
    for token, (pair, _) in enumerate(merges, start=len(features) + 1):
        for row in rows:
            row.merge(pair, token)
    while len(features) + 1 + len(merges) < size:
        counts: dict[Pair, Fraction] = defaultdict(Fraction)
        for row in rows:
            for pair, weight in row.pairs().items():
                counts[pair] += weight
        if not counts:
            break
        pair, count = min(counts.items(), key=lambda entry: (-entry[1], entry[0]))
        new = len(features) + 1 + len(merges)
        for row in rows:
            row.merge(pair, new)
        merges.append((pair, count))
    return merges


@st.composite
def corpora(draw: st.DrawFn) -> Corpus:
    """Dense in ties, repeated items, vanishing sets, and histories of no or one event."""
    n_categories, n_values = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    item = st.tuples(*[st.integers(0, n_values - 1)] * n_categories)
    features = draw(st.lists(item, min_size=1, max_size=8, unique=True))
    history = st.lists(st.integers(0, len(features) - 1), max_size=16)
    return Corpus(features, draw(st.lists(history, min_size=1, max_size=6)))


ONE_ITEM = Corpus([(0, 0)], [[0] * 9, [0] * 4, [0]])
ONE_CATEGORY = Corpus([(0,), (1,), (2,)], [[0, 1, 0, 1, 2, 2, 2, 1, 0], [1, 0], [2]])
FAR_APART = Corpus([(0, 0), (1, 0), (2, 1), (3, 2)], [[0, 1, 2, 3, 3, 2, 0, 1, 2, 2, 3, 1, 0]])
MANY_CATEGORIES = Corpus([tuple(range(11)), tuple(range(1, 12))], [[0, 1, 0], [1, 1]])


@given(corpora(), st.integers(1, 70))
@example(ONE_ITEM, 40)
@example(ONE_CATEGORY, 40)
@example(FAR_APART, 60)
@example(MANY_CATEGORIES, 60)
@settings(max_examples=250, deadline=None)
def test_merges_and_priorities_are_those_of_the_oracle(corpus: Corpus, size: int) -> None:
    assert exact(corpus.train(size)) == oracle(corpus, size)


@given(corpora(), corpora(), st.integers(1, 60), st.integers(0, 30))
@settings(max_examples=250, deadline=None)
def test_an_expansion_is_that_of_the_oracle(old: Corpus, new: Corpus, size: int, more: int) -> None:
    """Vocabulary and corpus have nothing in common but the room that the cardinalities leave."""
    n_categories = len(old.features[0])
    features = sorted({tuple((*item, 0, 0, 0, 0)[:n_categories]) for item in new.features})
    events = [[event % len(features) for event in history] for history in new.histories]
    new = Corpus(features, events)
    small = old.train(size, [3] * n_categories)
    large = small.expand(*new.arrays(), size=len(small) + more)
    assert exact(large) == oracle(new, len(small) + more, small.initial_tokens, exact(small))
    assert large.initial_tokens == small.initial_tokens
    assert large.size_asked == len(small) + more


def exact(vocabulary: Vocabulary) -> list[tuple[Pair, Fraction]]:
    assert vocabulary.counts is not None
    assert vocabulary.unit is not None
    priorities = [Fraction(count, vocabulary.unit) for count in vocabulary.counts]
    merges = [(u, v) for u, v in vocabulary.merges.tolist()]
    return list(zip(merges, priorities, strict=True))


def test_a_larger_corpus_is_that_of_the_oracle() -> None:
    rng = np.random.default_rng(5)
    features = np.unique(rng.integers(0, 6, (40, 5)), axis=0)
    popular = rng.zipf(1.5, 2000) % len(features)
    histories = [row.tolist() for row in np.split(popular, np.cumsum(rng.integers(1, 12, 200)))]
    corpus = Corpus([tuple(row) for row in features.tolist()], histories)
    vocabulary = corpus.train(100)
    right = oracle(corpus, 100)
    assert vocabulary.merges.tolist() == [list(pair) for pair, _ in right]
    assert vocabulary.priorities.tolist() == [float(count) for _, count in right]


def test_a_vocabulary_can_be_smaller_than_asked_and_says_so() -> None:
    vocabulary = ONE_ITEM.train(10_000)
    assert vocabulary.size_asked == 10_000
    assert len(vocabulary) == 1 + 2 + len(oracle(ONE_ITEM, 10_000)) < 10_000


def test_a_size_below_the_initial_tokens_gives_no_merges() -> None:
    for size in (1, 3):
        vocabulary = ONE_ITEM.train(size)
        assert len(vocabulary) == vocabulary.n_initial == 3
        assert vocabulary.merges.shape == (0, 2)
        assert vocabulary.counts == []


def test_cardinalities_give_every_value_below_a_token() -> None:
    corpus = ([[0, 1], [2, 0]], [0, 2], [0, 1])
    vocabulary = Vocabulary.train(*corpus, size=9, cardinalities=[3, 2])
    assert vocabulary.initial_tokens == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]
    assert vocabulary.cardinalities == [3, 2]
    assert Vocabulary.train(*corpus, size=9).cardinalities is None
    tokens, _ = vocabulary.canonical([[1, 1]])
    assert tokens.tolist() == [2, 5]

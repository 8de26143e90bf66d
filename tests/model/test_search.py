"""The searches against scores of every item by transformers' own forward, one sequence at a time."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import T5ForConditionalGeneration

from clairo import InputError
from clairo.model.exact import ExactSearch
from clairo.model.search import BeamSearch
from clairo.model.steps import Normalise
from clairo.tokens import END, OFFSET, START, Trie

Inputs = tuple[torch.Tensor, torch.Tensor]
Oracle = Callable[..., NDArray[np.float64]]
TrieOf = Callable[[list[tuple[int, ...]]], Trie]
SEARCHES = pytest.mark.parametrize("kind", [BeamSearch, ExactSearch])
BOTH = pytest.mark.parametrize("normalise", ["trie", "vocabulary"])
Row = tuple[int, ...]
Kind = type[BeamSearch] | type[ExactSearch]


@pytest.fixture(scope="module")
def model(network: Callable[[int], T5ForConditionalGeneration]) -> T5ForConditionalGeneration:
    return network(3)


def random_rows(n: int, seed: int) -> list[Row]:
    """Different sequences of one to four tokens, some of them with prefixes in common."""
    rng = np.random.default_rng(seed)
    rows: dict[Row, None] = {}
    while len(rows) < n:
        rows[tuple(int(token) for token in rng.integers(1, 8, size=rng.integers(1, 5)))] = None
    return list(rows)


@SEARCHES
@BOTH
@pytest.mark.parametrize("seed", [0, 1])
def test_the_exact_search_and_one_with_beams_for_every_item_are_exact(
    model: T5ForConditionalGeneration,
    inputs: Inputs,
    trie_of: TrieOf,
    oracle: Oracle,
    kind: Kind,
    normalise: Normalise,
    seed: int,
) -> None:
    rows = random_rows(60, seed)
    expected = oracle(model, rows, *inputs, normalise)
    items, scores = kind(model, trie_of(rows), beams=60, normalise=normalise)(*inputs)
    np.testing.assert_array_equal(items.numpy(), np.argsort(-expected, axis=1))
    np.testing.assert_allclose(scores.numpy(), -np.sort(-expected, axis=1), atol=1e-4)


def test_over_the_trie_all_items_are_a_distribution(
    model: T5ForConditionalGeneration, inputs: Inputs, trie_of: TrieOf
) -> None:
    scores = ExactSearch(model, trie_of(random_rows(60, 0)), beams=1).scores(*inputs)
    np.testing.assert_allclose(scores.exp().sum(dim=1).numpy(), 1, atol=1e-5)


@BOTH
@pytest.mark.parametrize("allowed", [None, {3, 8, 21, 22, 30, 44, 59}])
def test_few_beams_keep_what_a_search_by_hand_keeps(
    model: T5ForConditionalGeneration,
    inputs: Inputs,
    trie_of: TrieOf,
    oracle: Oracle,
    normalise: Normalise,
    allowed: set[int] | None,
) -> None:
    rows = random_rows(60, 2)
    by_item = oracle(model, rows, *inputs, normalise)
    trie = trie_of(rows)
    may = torch.tensor([[allowed is None or item in allowed for item in range(60)]])
    for beams in (1, 3, 7):
        items, scores = BeamSearch(model, trie, beams=beams, normalise=normalise)(*inputs, may)
        for view in range(len(items)):
            one = inputs[0][view], inputs[1][view]
            expected = search_by_hand(model, rows, *one, beams, normalise, allowed or set(range(60)))
            assert items[view].tolist() == expected
            np.testing.assert_allclose(scores[view].numpy(), by_item[view, expected], atol=1e-4)


def search_by_hand(
    model: T5ForConditionalGeneration,
    rows: list[Row],
    ids: torch.Tensor,
    mask: torch.Tensor,
    beams: int,
    normalise: Normalise,
    allowed: set[int],
) -> list[int]:
    """One input, prefixes in a list, each scored from scratch; only those that lead to what is allowed."""
    sequences = {(*(token + OFFSET for token in row), END): item for item, row in enumerate(rows)}

    def finished(prefix: Row) -> bool:
        alone = sum(other[: len(prefix)] == prefix for other in sequences) == 1
        return prefix in sequences or (normalise == "trie" and alone and prefix != ())

    def extended(prefix: Row, score: float) -> list[tuple[float, Row]]:
        with torch.no_grad():
            decoder = torch.tensor([[START, *prefix]])
            out = model(input_ids=ids[None], attention_mask=mask[None], decoder_input_ids=decoder)
        logits = out.logits[0, -1].double()
        below = {other: item for other, item in sequences.items() if other[: len(prefix)] == prefix}
        follow = sorted({other[len(prefix)] for other in below})
        total = (logits[follow] if normalise == "trie" else logits).logsumexp(dim=0)
        wanted = {other[len(prefix)] for other, item in below.items() if item in allowed}
        return [(score + float(logits[token] - total), (*prefix, token)) for token in sorted(wanted)]

    kept: list[tuple[float, Row]] = [(0.0, ())]
    while not all(finished(prefix) for _, prefix in kept):
        pool = [
            entry
            for score, prefix in kept
            for entry in ([(score, prefix)] if finished(prefix) else extended(prefix, score))
        ]
        kept = sorted(pool, reverse=True)[:beams]
    return [
        next(item for seq, item in sequences.items() if seq[: len(prefix)] == prefix) for _, prefix in kept
    ]


@SEARCHES
@BOTH
def test_more_beams_than_items_leave_the_rest_empty(
    model: T5ForConditionalGeneration, inputs: Inputs, normalise: Normalise, trie_of: TrieOf, kind: Kind
) -> None:
    items, scores = kind(model, trie_of([(1, 2), (1, 3), (4,)]), beams=5, normalise=normalise)(*inputs)
    assert items.shape == scores.shape == (4, 5)
    assert (items[:, :3].sort(dim=1).values == torch.arange(3)).all()
    assert (items[:, 3:] == -1).all()
    assert (scores[:, 3:] == -torch.inf).all()


@SEARCHES
@BOTH
def test_a_catalogue_of_one_item(
    model: T5ForConditionalGeneration,
    inputs: Inputs,
    normalise: Normalise,
    trie_of: TrieOf,
    oracle: Oracle,
    kind: Kind,
) -> None:
    items, scores = kind(model, trie_of([(2, 5)]), beams=2, normalise=normalise)(*inputs)
    assert items.tolist() == [[0, -1]] * 4
    expected = oracle(model, [(2, 5)], *inputs, normalise)
    np.testing.assert_allclose(scores[:, :1].numpy(), expected, atol=1e-4)


@SEARCHES
def test_never_an_item_twice(
    model: T5ForConditionalGeneration, inputs: Inputs, trie_of: TrieOf, kind: Kind
) -> None:
    items, _ = kind(model, trie_of(random_rows(200, 5)), beams=50)(*inputs)
    assert all(len(set(row)) == 50 and min(row) >= 0 for row in items.tolist())


@SEARCHES
@BOTH
def test_padding_and_company_do_not_matter(
    model: T5ForConditionalGeneration, inputs: Inputs, normalise: Normalise, trie_of: TrieOf, kind: Kind
) -> None:
    search = kind(model, trie_of(random_rows(60, 0)), beams=8, normalise=normalise)
    together, scores = search(*inputs)
    ids, mask = inputs
    alone, alone_scores = search(ids[1:2, :3], mask[1:2, :3])
    assert alone.tolist() == together[1:2].tolist()
    np.testing.assert_allclose(alone_scores.numpy(), scores[1:2].numpy(), atol=1e-5)


@SEARCHES
def test_searching_in_small_pieces_changes_nothing(
    model: T5ForConditionalGeneration,
    inputs: Inputs,
    monkeypatch: pytest.MonkeyPatch,
    trie_of: TrieOf,
    kind: Kind,
) -> None:
    trie = trie_of(random_rows(60, 0))
    expected = kind(model, trie, beams=20, normalise="vocabulary")(*inputs)
    monkeypatch.setattr("clairo.model.steps._SCRATCH", 100)
    monkeypatch.setattr("clairo.model.decoder._SCRATCH", 100)
    monkeypatch.setattr("clairo.model.decoder._BLOCK", 16)
    monkeypatch.setattr("clairo.model.search._ROWS", 3)
    monkeypatch.setattr("clairo.model.exact._ROWS", 3)
    monkeypatch.setattr("clairo.model.exact._NODES", 2)
    found = kind(model, trie, beams=20, normalise="vocabulary")(*inputs)
    assert found[0].tolist() == expected[0].tolist()
    np.testing.assert_allclose(found[1].numpy(), expected[1].numpy(), rtol=2e-6, atol=1e-5)


@SEARCHES
def test_a_trie_of_another_vocabulary_is_refused(
    model: T5ForConditionalGeneration, trie_of: TrieOf, kind: Kind
) -> None:
    with pytest.raises(InputError, match="go up to id 52, but the model knows 42 ids"):
        kind(model, trie_of([(1,), (50,)]), beams=2)

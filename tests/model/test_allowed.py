"""Whatever the catalogue, the model and the lists: only allowed items come out, at the model's own scores."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from transformers import T5ForConditionalGeneration

from clairo.model.allowed import Allowed
from clairo.model.exact import ExactSearch
from clairo.model.search import BeamSearch
from clairo.model.steps import Normalise
from clairo.tokens import Trie

Row = tuple[int, ...]
Inputs = tuple[torch.Tensor, torch.Tensor]
Oracle = Callable[..., NDArray[np.float64]]
Network = Callable[[int], T5ForConditionalGeneration]
TrieOf = Callable[[list[Row]], Trie]
SEARCHES = pytest.mark.parametrize("kind", [BeamSearch, ExactSearch])
CATALOGUES = st.lists(
    st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple), min_size=1, max_size=25, unique=True
)
SETS = st.sampled_from([0, 1, 2, 4])  # how many sets the four inputs share; none: everything is allowed


def drawn(sets: int, n_items: int, seed: int) -> torch.Tensor | None:
    """Sets that allow nothing, a few, most or all items."""
    rng = np.random.default_rng(seed)
    share = rng.choice([0.0, 0.1, 0.5, 0.9, 1.0], size=(sets, 1))
    return torch.from_numpy(rng.random((sets, n_items)) < share) if sets else None


@SEARCHES
@settings(deadline=None, max_examples=60)
@given(
    rows=CATALOGUES,
    weights=st.integers(0, 3),
    sets=SETS,
    seed=st.integers(0, 999),
    beams=st.integers(1, 30),
    normalise=st.sampled_from(["trie", "vocabulary"]),
)
def test_only_allowed_items_come_out_none_twice_at_the_scores_of_the_oracle(
    network: Network,
    inputs: Inputs,
    trie_of: TrieOf,
    oracle: Oracle,
    kind: type[BeamSearch] | type[ExactSearch],
    rows: list[Row],
    weights: int,
    sets: int,
    seed: int,
    beams: int,
    normalise: Normalise,
) -> None:
    allowed, model = drawn(sets, len(rows), seed), network(weights)
    items, scores = kind(model, trie_of(rows), beams=beams, normalise=normalise)(*inputs, allowed)
    expected = oracle(model, rows, *inputs, normalise)
    assert items.shape == scores.shape == (4, beams)
    for view in range(4):
        may = range(len(rows)) if allowed is None else allowed[view * sets // 4].nonzero().flatten().tolist()
        found = [item for item in items[view].tolist() if item != -1]
        values = scores[view, : len(found)].numpy()
        assert items[view, len(found) :].tolist() == [-1] * (beams - len(found))
        assert (scores[view, len(found) :] == -torch.inf).all()
        assert len(set(found)) == len(found) == min(beams, len(may))
        assert set(found) <= set(may)
        np.testing.assert_allclose(values, expected[view, found], atol=1e-4)
        if beams >= len(rows) or kind is ExactSearch:
            best = -np.sort(-expected[view, list(may)])[:beams]
            np.testing.assert_allclose(values, best, atol=1e-4)


@SEARCHES
def test_scores_of_what_is_allowed_add_up_to_its_share(
    network: Network, inputs: Inputs, trie_of: TrieOf, kind: type[BeamSearch] | type[ExactSearch]
) -> None:
    trie = trie_of([(1, 2), (1, 3), (1, 3, 4), (2,), (3, 1)])
    search = kind(network(0), trie, beams=5)
    allowed = torch.tensor([[True, False, True, False, True]])
    everything = dict(zip(*(found[0].tolist() for found in search(*inputs)), strict=True))
    items, scores = search(*inputs, allowed)
    some = dict(zip(items[0].tolist(), scores[0].tolist(), strict=True))
    assert {item: some[item] for item in (0, 2, 4)} == pytest.approx({i: everything[i] for i in (0, 2, 4)})
    assert scores[0].exp().sum().item() == pytest.approx(1 - np.exp([everything[1], everything[3]]).sum())


def test_a_beam_is_not_spent_on_what_is_not_allowed(
    network: Network, inputs: Inputs, trie_of: TrieOf
) -> None:
    """However unlikely the only allowed item is, one beam finds it."""
    rows = [(token, 1, second) for token in range(1, 7) for second in range(1, 7)]
    search = BeamSearch(network(1), trie_of(rows), beams=1)
    for item in range(len(rows)):
        only = torch.arange(len(rows))[None] == item
        assert search(*inputs, only)[0].tolist() == [[item]] * 4


@pytest.mark.parametrize(
    ("items", "words"),
    [
        (torch.ones(1, 3, dtype=torch.bool), r"\(sets, 2\) bool, not \(1, 3\)"),
        (torch.ones(1, 2), r"\(sets, 2\) bool"),
        (torch.ones(3, 2, dtype=torch.bool), "3 sets of allowed items do not divide 4 rows"),
        (torch.ones(0, 2, dtype=torch.bool), "0 sets of allowed items do not divide 4 rows"),
    ],
)
def test_sets_of_another_shape_are_refused(trie_of: TrieOf, items: torch.Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Allowed(trie_of([(1,), (2,)]), items, rows=4)

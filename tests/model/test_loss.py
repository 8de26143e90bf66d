"""The two losses against plain sums over the catalogue."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clairo.model.loss import TrieLoss, VocabularyLoss
from clairo.tokens import END, IGNORED, OFFSET, Trie

D_MODEL, IDS = 5, 14


def catalogue(items: list[tuple[int, ...]]) -> tuple[Trie, torch.Tensor]:
    """The trie of token rows, and the items' labels."""
    offsets = np.cumsum([0, *map(len, items)])
    flat = np.array([token for item in items for token in item], dtype=np.uint32)
    longest = max(map(len, items)) + 1
    rows = [[t + OFFSET for t in item] + [END] + [IGNORED] * (longest - len(item) - 1) for item in items]
    return Trie.build(flat, offsets), torch.tensor(rows)


def slow(states: torch.Tensor, weights: torch.Tensor, labels: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Step by step: a softmax over what follows the same prefix in some item."""
    rows = [row[row != IGNORED].tolist() for row in labels]
    total = torch.zeros(())
    for state, row in zip(states, rows, strict=True):
        for step, token in enumerate(row):
            following = sorted({other[step] for other in rows if other[:step] == row[:step]})
            log = (weights[following] @ state[step]).log_softmax(0)
            total = total - (1 - smoothing) * log[following.index(token)] - smoothing * log.mean()
    return total / len(rows)


rows_of = st.sets(st.tuples(st.integers(1, 4), st.integers(5, 7)) | st.tuples(st.integers(8, 10)), min_size=1)


@settings(deadline=None)
@given(rows_of, st.sampled_from([0.0, 0.1]), st.integers(0, 99))
def test_trie_loss_is_the_sum_over_what_can_follow(
    items: set[tuple[int, ...]], smoothing: float, seed: int
) -> None:
    trie, labels = catalogue(sorted(items))
    draw = torch.Generator().manual_seed(seed)
    states = torch.randn(*labels.shape, D_MODEL, generator=draw, requires_grad=True)
    weights = torch.randn(IDS, D_MODEL, generator=draw, requires_grad=True)
    fast = TrieLoss(trie, smoothing)(states, weights, labels)
    expected = slow(states, weights, labels, smoothing)
    torch.testing.assert_close(fast, expected)
    got = torch.autograd.grad(fast, (states, weights), allow_unused=True, materialize_grads=True)
    want = torch.autograd.grad(expected, (states, weights), allow_unused=True, materialize_grads=True)
    torch.testing.assert_close(got, want)


def test_the_likelihoods_of_all_items_sum_to_one() -> None:
    trie, labels = catalogue([(a, b) for a, b in itertools.product(range(1, 5), range(5, 8)) if (a + b) % 3])
    draw = torch.Generator().manual_seed(0)
    weights = torch.randn(IDS, D_MODEL, generator=draw)
    # A state depends on the prefix alone, as a decoder's does.
    by_prefix = torch.randn(IDS, D_MODEL, generator=draw)
    states = torch.stack([by_prefix[[0, *row[:-1].clamp(min=0).tolist()]] for row in labels])
    loss = TrieLoss(trie, 0.0)
    losses = [float(loss(states[i : i + 1], weights, labels[i : i + 1])) for i in range(len(labels))]
    assert sum(np.exp(-np.array(losses))) == pytest.approx(1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_below_the_root_mixed_precision_sums_in_float32(smoothing: float) -> None:
    trie, labels = catalogue([(1, a, b) for a, b in itertools.product(range(5, 9), range(9, 12))])
    draw = torch.Generator().manual_seed(0)
    states = torch.randn(*labels.shape, D_MODEL, generator=draw, requires_grad=True)
    weights = torch.randn(IDS, D_MODEL, generator=draw, requires_grad=True)
    expected = slow(states, weights, labels, smoothing)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = TrieLoss(trie, smoothing)(states, weights, labels)
    torch.testing.assert_close(mixed, expected)
    torch.testing.assert_close(
        torch.autograd.grad(mixed, (states, weights)), torch.autograd.grad(expected, (states, weights))
    )


def test_vocabulary_loss_is_the_mean_cross_entropy_of_labels() -> None:
    _, labels = catalogue([(1, 5), (2, 6), (8,)])
    draw = torch.Generator().manual_seed(0)
    states, weights = torch.randn(3, 3, D_MODEL, generator=draw), torch.randn(IDS, D_MODEL, generator=draw)
    expected = torch.nn.functional.cross_entropy((states @ weights.T).flatten(0, 1), labels.flatten())
    torch.testing.assert_close(VocabularyLoss(0.0)(states, weights, labels), expected)

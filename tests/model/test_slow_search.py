"""The slow sides of the search's benchmark: with a beam for every item, all searches are exact."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import T5ForConditionalGeneration

from clairo.tokens import END, OFFSET


@pytest.mark.parametrize("way", ["plain_search", "transformers_search"])
def test_beams_for_every_item_find_every_item(
    network: Callable[[int], T5ForConditionalGeneration],
    inputs: tuple[torch.Tensor, torch.Tensor],
    oracle: Callable[..., NDArray[np.float64]],
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    """Items of one to four tokens: most sequences end before the longest."""
    monkeypatch.syspath_prepend(checkout / "scripts")
    import slow_search

    rng, model = np.random.default_rng(4), network(3)
    rows = sorted({tuple(rng.integers(1, 8, size=rng.integers(1, 5)).tolist()) for _ in range(60)})
    tree = slow_search.PrefixTree([[token + OFFSET for token in row] + [END] for row in rows])
    items, scores = getattr(slow_search, way)(model, tree, *inputs, len(rows))
    expected = oracle(model, rows, *inputs, "vocabulary")
    np.testing.assert_array_equal(items.numpy(), np.argsort(-expected, axis=1))
    np.testing.assert_allclose(scores.numpy(), -np.sort(-expected, axis=1), atol=1e-4)

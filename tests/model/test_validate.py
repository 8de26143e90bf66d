"""Validation reads what lies before the target, and measures by rank."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import T5ForConditionalGeneration

from clairo import rng
from clairo.artifacts import Sequences
from clairo.model.network import build
from clairo.model.validate import Validation
from clairo.tokens import END, OFFSET
from clairo.vocabulary import Vocabulary

Features = NDArray[np.uint32]


@pytest.fixture
def network() -> T5ForConditionalGeneration:
    return build(n_model_ids=92, layers=1, d_model=8, d_ff=8, heads=1, d_kv=8, dropout=0.5, seed=0)


def test_it_searches_from_the_latest_events_before_the_target(
    sequences: Sequences,
    vocabulary: Vocabulary,
    features: Features,
    network: T5ForConditionalGeneration,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[list[int]] = []

    class Fixed:
        """Finds items 0 to 9, whatever it reads."""

        def __init__(self, *_: Any, beams: int) -> None:
            assert beams == 10

        def __call__(self, ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, None]:
            read.extend(row[kept].tolist() for row, kept in zip(ids, mask, strict=True))
            return torch.arange(10).expand(len(ids), -1), None

    monkeypatch.setattr("clairo.model.validate.BeamSearch", Fixed)
    monkeypatch.setattr("clairo.model.validate._ROWS", 64)
    found = Validation(sequences, vocabulary, features, users=1000, beams=10, max_history=4, seed=3)(network)

    targets = [int(sequences.history(user)[-2]) for user in range(sequences.n_users)]
    for user in range(sequences.n_users):
        history = sequences.history(user)[-6:-2]
        seed = rng.derive(3, "validation view")
        tokens, _ = vocabulary.encode(features, [0, 4], history, seed=seed, rows=[user])
        assert read[user] == [*(tokens.astype(np.int64) + OFFSET).tolist(), END]
    gains = [1 / np.log2(target + 2) if target < 10 else 0.0 for target in targets]
    assert found["ndcg@10"] == pytest.approx(np.mean(gains))
    assert found["recall@10"] == pytest.approx(np.mean([target < 10 for target in targets]))
    assert not network.training


def test_the_sample_is_fixed_by_the_seed(
    sequences: Sequences, vocabulary: Vocabulary, features: Features, network: T5ForConditionalGeneration
) -> None:
    def sample(seed: int) -> Validation:
        return Validation(sequences, vocabulary, features, users=30, beams=10, max_history=20, seed=seed)

    assert sample(1)(network) == sample(1)(network)
    wanted = [sample(seed)._wanted.tolist() for seed in (1, 1, 2)]
    assert wanted[0] == wanted[1] != wanted[2]
    assert len(wanted[0]) == 30

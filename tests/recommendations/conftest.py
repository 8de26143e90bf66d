"""A run folder so small that searching it takes no time: random weights over a made-up catalogue."""

from pathlib import Path

import numpy as np
import pytest
import torch

from clairo.artifacts import Codes, Sequences
from clairo.config import RecommendationsConfig
from clairo.model.network import build
from clairo.model.saved import Meta, save
from clairo.tokens import n_model_ids
from clairo.vocabulary import Vocabulary

N_ITEMS = 70
MODEL_HISTORY = 4


@pytest.fixture(scope="session")
def sequences() -> Sequences:
    """Users with and without targets, with long, short, repetitive and empty histories."""
    rng = np.random.default_rng(5)
    rows = [rng.integers(0, N_ITEMS - 5, size=rng.integers(3, 12)).tolist() for _ in range(36)]
    rows += [[1, 1, 1, 1, 1], [7], [8, 9]]
    lengths = np.array([len(row) for row in rows])
    validation, test = lengths - 2, lengths - 1
    validation[lengths < 3] = -1
    test[-1] = -1
    return Sequences(
        items=np.array([f"B{item:03d}" for item in range(N_ITEMS)]),
        users=np.array([f"user {user}" for user in range(len(rows))]),
        offsets=np.concatenate(([0], np.cumsum(lengths))),
        events=np.array([item for row in rows for item in row], dtype=np.uint32),
        times=np.full(lengths.sum(), -1),
        train_end=np.maximum(lengths - 2, 0),
        validation=validation,
        test=test,
        ties=np.zeros(len(rows), dtype=np.bool_),
        max_history=6,
    )


@pytest.fixture(scope="session")
def run_folder(sequences: Sequences, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The four artefacts that recommending needs."""
    run = tmp_path_factory.mktemp("run")
    for stage in ("sequences", "codes", "vocabulary", "model"):
        (run / stage).mkdir()
    sequences.save(run / "sequences")
    codes = _codes(sequences)
    codes.save(run / "codes")
    vocabulary = Vocabulary.train(
        codes.features, *sequences.training(), size=45, cardinalities=codes.cardinalities
    )
    vocabulary.save(run / "vocabulary" / "vocabulary.json")
    _save_model(run / "model", vocabulary)
    return run


@pytest.fixture(scope="session")
def settings() -> RecommendationsConfig:
    """Few beams, so that most lists need filling; small batches, so that there are several parts."""
    return RecommendationsConfig(beams=6, views=3, batch_size=2, device="cpu")


def _codes(sequences: Sequences) -> Codes:
    rng = np.random.default_rng(6)
    features = rng.integers(0, 5, size=(N_ITEMS, 3)).astype(np.uint32)
    taken = dict[tuple[int, ...], int]()
    for row in features:  # the last code counts the items that share the others
        key = tuple(row[:2].tolist())
        row[2] = taken[key] = taken.get(key, -1) + 1
    return Codes(sequences.items, features, ["text 1", "text 2", "disambiguation"], [5, 5, N_ITEMS])


def _save_model(folder: Path, vocabulary: Vocabulary) -> None:
    network = build(
        n_model_ids=n_model_ids(vocabulary),
        layers=1,
        d_model=16,
        d_ff=32,
        heads=2,
        d_kv=8,
        dropout=0.0,
        seed=0,
    )
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in network.parameters():  # fresh weights hardly tell one history from another
            weights.add_(torch.randn(weights.shape, generator=generator), alpha=0.2)
    meta = Meta(
        vocabulary_size=len(vocabulary),
        categories=["text 1", "text 2", "disambiguation"],
        max_history=MODEL_HISTORY,
        parameters=0,
        examples=0,
        epochs=0,
        best_epoch=0,
        validation={},
    )
    save(folder, network, meta)

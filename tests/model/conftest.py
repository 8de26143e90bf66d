"""A shop so small that training on it takes seconds, with a rule to find: after item n comes n + 1."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clairo.artifacts import Codes, Sequences
from clairo.config import ModelConfig
from clairo.model import make
from clairo.vocabulary import Vocabulary

N_ITEMS, N_USERS, LENGTH = 60, 150, 8
Train = Callable[..., dict[str, Any]]


def planted(train_end: int = LENGTH - 2) -> Sequences:
    """Every user walks on from a random item, one number a step."""
    start = np.random.default_rng(0).integers(0, N_ITEMS, N_USERS)
    return Sequences(
        items=np.array([f"item {i}" for i in range(N_ITEMS)]),
        users=np.array([f"user {u}" for u in range(N_USERS)]),
        offsets=np.arange(N_USERS + 1) * LENGTH,
        events=((start[:, None] + np.arange(LENGTH)) % N_ITEMS).astype(np.uint32).ravel(),
        times=np.full(N_USERS * LENGTH, -1),
        train_end=np.full(N_USERS, train_end),
        validation=np.full(N_USERS, LENGTH - 2),
        test=np.full(N_USERS, LENGTH - 1),
        ties=np.zeros(N_USERS, dtype=np.bool_),
        max_history=20,
    )


@pytest.fixture(scope="session")
def sequences() -> Sequences:
    return planted()


@pytest.fixture(scope="session")
def features() -> np.ndarray[Any, np.dtype[np.uint32]]:
    return np.array([(i // 8, i % 8, 0) for i in range(N_ITEMS)], dtype=np.uint32)


@pytest.fixture(scope="session")
def vocabulary(sequences: Sequences, features: np.ndarray[Any, np.dtype[np.uint32]]) -> Vocabulary:
    return Vocabulary.train(features, *sequences.training(), size=90)


@pytest.fixture(scope="session")
def world(
    tmp_path_factory: pytest.TempPathFactory,
    sequences: Sequences,
    vocabulary: Vocabulary,
    features: np.ndarray[Any, np.dtype[np.uint32]],
) -> Path:
    """Folders of the stages before the model's."""
    root = tmp_path_factory.mktemp("world")
    for stage in ("sequences", "codes", "vocabulary"):
        (root / stage).mkdir()
    sequences.save(root / "sequences")
    Codes(sequences.items, features, ["text 1", "text 2", "disambiguation"], [8, 8, 1]).save(root / "codes")
    vocabulary.save(root / "vocabulary" / "vocabulary.json")
    return root


@pytest.fixture(scope="session")
def config() -> ModelConfig:
    """Three batches of 256 an epoch, one of them smaller; on a CPU, so that results are bitwise equal."""
    return ModelConfig(
        layers=1,
        d_model=32,
        d_ff=64,
        heads=2,
        d_kv=16,
        learning_rate=0.01,
        epochs=3,
        validation_users=40,
        device="cpu",
    )


@pytest.fixture(scope="session")
def train(world: Path, config: ModelConfig) -> Train:
    """`train(out, seed=0, **changes of the configuration)`: run the stage."""

    def run(out: Path, seed: int = 0, **changes: Any) -> dict[str, Any]:
        out.mkdir(exist_ok=True)
        return make(
            config.model_copy(update=changes),
            vocabulary=world / "vocabulary",
            codes=world / "codes",
            sequences=world / "sequences",
            out=out,
            seed=seed,
        )

    return run

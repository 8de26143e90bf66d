"""A shop so small that training on it takes seconds, with a rule to find: after item n comes n + 1."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import T5ForConditionalGeneration

from clairo.artifacts import Codes, Sequences
from clairo.config import ModelConfig
from clairo.model import make
from clairo.model.network import build
from clairo.model.steps import Normalise
from clairo.tokens import END, OFFSET, PAD, START, Trie
from clairo.vocabulary import Vocabulary

N_ITEMS, N_USERS, LENGTH = 60, 150, 8
N_TOKENS = 40  # of the networks that are searched and not trained
Train = Callable[..., dict[str, Any]]
Row = tuple[int, ...]


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
        dropout=0.1,
        batch_size=256,
        precision="no",
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


@pytest.fixture(scope="session")
def network() -> Callable[[int], T5ForConditionalGeneration]:
    """`network(seed)`: small and random, every weight far from its start, so that all of them matter."""

    @cache
    def of(seed: int) -> T5ForConditionalGeneration:
        built = build(
            n_model_ids=N_TOKENS + OFFSET,
            layers=2,
            d_model=16,
            d_ff=32,
            heads=2,
            d_kv=8,
            dropout=0.1,
            seed=seed,
        ).eval()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for weights in built.parameters():
                weights.add_(torch.randn(weights.shape, generator=generator), alpha=0.3)
        return built

    return of


@pytest.fixture(scope="session")
def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    """Four encoded histories of unequal length, and their mask."""
    rng = np.random.default_rng(1)
    ids = torch.from_numpy(rng.integers(OFFSET + 1, N_TOKENS + OFFSET, size=(4, 9)))
    lengths = torch.tensor([9, 3, 6, 1])
    mask = torch.arange(9) < lengths[:, None]
    ids[torch.arange(4), lengths - 1] = END
    return ids.where(mask, PAD), mask


@pytest.fixture(scope="session")
def trie_of() -> Callable[[list[Row]], Trie]:
    """`trie_of(rows)`: the trie of these sequences, in tokens of the vocabulary."""

    def build_trie(rows: list[Row]) -> Trie:
        offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
        return Trie.build(np.array([token for row in rows for token in row], dtype=np.uint32), offsets)

    return build_trie


@pytest.fixture(scope="session")
def oracle() -> Callable[..., NDArray[np.float64]]:
    """`oracle(model, rows, ids, mask, normalise)`: log-probability of every item, (inputs, items).

    By transformers' own forward and teacher forcing, one item after the other, without any of our search.
    """

    def scores_of(
        model: T5ForConditionalGeneration,
        rows: list[Row],
        ids: torch.Tensor,
        mask: torch.Tensor,
        normalise: Normalise,
    ) -> NDArray[np.float64]:
        sequences = [[token + OFFSET for token in row] + [END] for row in rows]
        scores = np.zeros((len(ids), len(rows)))
        for item, sequence in enumerate(sequences):
            decoder = torch.tensor([[START, *sequence[:-1]]]).expand(len(ids), -1)
            with torch.no_grad():
                logits = model(input_ids=ids, attention_mask=mask, decoder_input_ids=decoder).logits.double()
            for step, token in enumerate(sequence):
                follow = sorted({other[step] for other in sequences if other[:step] == sequence[:step]})
                among = logits[:, step, follow] if normalise == "trie" else logits[:, step]
                scores[:, item] += (logits[:, step, token] - among.logsumexp(dim=1)).numpy()
        return scores

    return scores_of


@pytest.fixture
def artefact() -> list[str]:
    """What the stage leaves, in order."""
    return [
        "best",
        "best/config.json",
        "best/model.safetensors",
        "history.json",
        "model.json",
        "options.json",
    ]


@pytest.fixture
def left_in() -> Callable[[Path], list[str]]:
    """Everything in a folder, in order."""
    return lambda folder: sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))

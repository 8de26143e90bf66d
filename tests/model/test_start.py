"""A model that starts from another: old tokens keep their rows, new ones start between their parts."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import T5ForConditionalGeneration

from clairo import InputError
from clairo.artifacts import Sequences
from clairo.config import ModelConfig
from clairo.model import inputs, make, network, saved
from clairo.model.start import start
from clairo.model.validate import Validation
from clairo.tokens import OFFSET, n_model_ids
from clairo.vocabulary import Vocabulary

Train = Callable[..., dict[str, Any]]
NAMES = ["text 1", "text 2", "disambiguation"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, world: Path, train: Train) -> Path:
    """The folder of a run whose model is trained."""
    folder = tmp_path_factory.mktemp("run")
    shutil.copytree(world, folder, dirs_exist_ok=True)
    train(folder / "model")
    return folder


@pytest.fixture(scope="module")
def larger(vocabulary: Vocabulary, features: NDArray[np.uint32], sequences: Sequences) -> Vocabulary:
    """Grown far enough that new tokens are merged from new ones."""
    return vocabulary.expand(features, *sequences.training(), size=len(vocabulary) + 60)


def build(words: Vocabulary, **changes: int) -> T5ForConditionalGeneration:
    shape = {"layers": 1, "d_model": 32, "d_ff": 64, "heads": 2, "d_kv": 16, **changes}
    return network.build(n_model_ids=n_model_ids(words), dropout=0.1, seed=5, **shape)


def test_old_rows_are_kept_and_new_ones_lie_between_their_parts(
    run: Path, vocabulary: Vocabulary, larger: Vocabulary
) -> None:
    model = build(larger)
    start(model, run, larger, NAMES)
    old, _ = saved.load(run / "model", "cpu")
    rows, before = model.shared.weight, old.shared.weight
    assert model.lm_head.weight is rows
    assert torch.equal(rows[: len(before)], before)
    assert (larger.merges[len(vocabulary.merges) :] >= len(vocabulary)).any()
    for token in range(len(vocabulary), len(larger)):
        left, right = larger.merges[token - larger.n_initial].tolist()
        assert torch.equal(rows[token + OFFSET], (rows[left + OFFSET] + rows[right + OFFSET]) / 2)
    others = dict(old.named_parameters())
    for name, parameter in model.named_parameters():
        assert name == "shared.weight" or torch.equal(parameter, others[name])


def test_with_the_same_vocabulary_it_is_the_same_model(
    run: Path, vocabulary: Vocabulary, features: NDArray[np.uint32], sequences: Sequences
) -> None:
    model = build(vocabulary)
    start(model, run, vocabulary, NAMES)
    validate = Validation(sequences, vocabulary, features, users=40, beams=10, max_history=20, seed=0)
    assert validate(model) == saved.load_meta(run / "model").validation


def test_training_goes_on_from_what_was_learned(
    tmp_path: Path, run: Path, larger: Vocabulary, config: ModelConfig
) -> None:
    (tmp_path / "vocabulary").mkdir()
    larger.save(tmp_path / "vocabulary" / "vocabulary.json")
    folders = {"vocabulary": tmp_path / "vocabulary", "codes": run / "codes", "sequences": run / "sequences"}
    losses = {}
    for name, origin in (("afresh", None), ("on", run)):
        (tmp_path / name).mkdir()
        settings = config.model_copy(update={"start_from": origin, "epochs": 1})
        if origin is not None:  # what is left open is as it was
            settings = settings.model_copy(update={"d_model": None, "d_ff": None})
        make(settings, **folders, out=tmp_path / name, seed=0)
        losses[name] = saved.load_meta(tmp_path / name).validation["ndcg@10"]
        assert saved.load_meta(tmp_path / name).vocabulary_size == len(larger)
    assert losses["on"] > losses["afresh"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d_model": 16}, r"has d_model = 32, this run asks for 16\nhint: set model\.d_model = 32"),
        ({"layers": 2}, "has layers = 1, this run asks for 2"),
        ({"d_ff": 32}, "has d_ff = 64"),
        ({"heads": 1}, "has heads = 2"),
        ({"d_kv": 8}, "has d_kv = 16"),
    ],
)
def test_other_shapes_are_refused(
    run: Path, vocabulary: Vocabulary, changes: dict[str, int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        start(build(vocabulary, **changes), run, vocabulary, NAMES)


def test_other_vocabularies_are_refused(
    run: Path, vocabulary: Vocabulary, features: NDArray[np.uint32], sequences: Sequences
) -> None:
    offsets, events = sequences.training()
    other = Vocabulary.train(features, offsets, (events * 7) % 60, size=120)
    token = vocabulary.n_initial + int((vocabulary.merges != other.merges[:72]).any(axis=1).argmax())
    with pytest.raises(InputError, match=f"not the beginning of this run's: token {token} is another merge"):
        start(build(other), run, other, NAMES)
    small = Vocabulary.train(features, offsets, events, size=80)
    with pytest.raises(InputError, match=r"90 tokens, this run's only 80\nhint: set vocabulary.size to 90"):
        start(build(small), run, small, NAMES)
    wide = Vocabulary.train(features, offsets, events, size=120, cardinalities=[9, 9, 9])
    with pytest.raises(InputError, match="has 17 features, which are not the 27 of this run's"):
        start(build(wide), run, wide, NAMES)


def test_other_categories_are_refused(run: Path, vocabulary: Vocabulary) -> None:
    with pytest.raises(InputError, match="the codes of this run are image 1, text 2"):
        start(build(vocabulary), run, vocabulary, ["image 1", *NAMES[1:]])


def test_a_vocabulary_that_is_not_the_models_is_refused(
    tmp_path: Path, run: Path, larger: Vocabulary
) -> None:
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    larger.save(tmp_path / "vocabulary" / "vocabulary.json")
    with pytest.raises(InputError, match="vocabulary and model are of different runs"):
        start(build(larger), tmp_path, larger, NAMES)


@pytest.mark.parametrize("missing", ["model/best", "model/model.json", "vocabulary/vocabulary.json"])
def test_what_is_missing_is_named(tmp_path: Path, run: Path, config: ModelConfig, missing: str) -> None:
    shutil.copytree(run, tmp_path, dirs_exist_ok=True)
    started = config.model_copy(update={"start_from": tmp_path})
    assert [path.name for path in inputs(started)] == ["best", "model.json", "vocabulary.json"]
    assert inputs(config) == []
    place = tmp_path / missing
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    with pytest.raises(InputError, match=f"no run with a trained model: it has no {missing}"):
        inputs(started)

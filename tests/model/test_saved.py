"""A model's folder: it loads as it was saved, here and in transformers, and says what is wrong with it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import T5ForConditionalGeneration

from clairo import InputError
from clairo.model import saved
from clairo.model.network import build
from clairo.vocabulary import Vocabulary

META = saved.Meta(
    vocabulary_size=40,
    categories=["text 1", "disambiguation"],
    max_history=20,
    parameters=7,
    examples=3,
    epochs=2,
    best_epoch=1,
    validation={"ndcg@10": 0.5},
)


@pytest.fixture
def network() -> T5ForConditionalGeneration:
    return build(n_model_ids=42, layers=1, d_model=8, d_ff=16, heads=2, d_kv=4, dropout=0.1, seed=1)


@pytest.fixture
def folder(tmp_path: Path, network: T5ForConditionalGeneration) -> Path:
    saved.save(tmp_path, network, META)
    return tmp_path


def equal(one: T5ForConditionalGeneration, other: T5ForConditionalGeneration) -> bool:
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


def test_it_loads_as_it_was_saved(folder: Path, network: T5ForConditionalGeneration) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    loaded, meta = saved.load(folder, "cpu")
    assert torch.rand(2).tolist() == expected.tolist()
    assert equal(loaded, network)
    assert not loaded.training
    assert loaded.lm_head.weight is loaded.shared.weight
    assert meta == META


def test_transformers_loads_it(folder: Path, network: T5ForConditionalGeneration) -> None:
    loaded = T5ForConditionalGeneration.from_pretrained(folder / "best", local_files_only=True)
    assert equal(loaded, network)
    assert loaded.config.decoder_start_token_id == 2


ALONE = """
import sys, torch
from numpy.typing import NDArray
from transformers import AutoModelForSeq2SeqLM
network = AutoModelForSeq2SeqLM.from_pretrained(sys.argv[1], local_files_only=True).eval()
ids = torch.tensor([[5, 6, 7, 1]])
print([round(value, 4) for value in network(input_ids=ids, labels=ids).logits[0, 2].tolist()])
assert not any(name.startswith("clairo") for name in sys.modules)
"""


def test_transformers_alone_computes_the_same(folder: Path, network: T5ForConditionalGeneration) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(folder / "best")], capture_output=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr.decode()
    ids = torch.tensor([[5, 6, 7, 1]])
    expected = network.eval()(input_ids=ids, labels=ids).logits[0, 2]
    assert json.loads(done.stdout) == pytest.approx(expected.tolist(), abs=2e-4)


def test_saving_twice_gives_the_same_bytes(folder: Path, network: T5ForConditionalGeneration) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    before = [path.read_bytes() for path in files]
    saved.save(folder, network, META)
    assert [path.read_bytes() for path in files] == before
    assert [path.name for path in files] == ["config.json", "model.safetensors", "model.json"]


def test_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.json is missing"):
        saved.load(tmp_path, "cpu")


@pytest.mark.parametrize("content", ["", "[]", '{"offset": 2}', "{"])
def test_a_damaged_meta_is_named(folder: Path, content: str) -> None:
    (folder / "model.json").write_text(content)
    with pytest.raises(InputError, match=r"model\.json is damaged"):
        saved.load(folder, "cpu")


def test_other_ids_are_refused(folder: Path) -> None:
    content = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**content, "offset": 3}))
    with pytest.raises(InputError, match="numbers tokens in another way"):
        saved.load(folder, "cpu")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b'{"vocab_size": "many"}'])
def test_damaged_weights_are_named(folder: Path, name: str, content: bytes | None) -> None:
    file = folder / "best" / name
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(InputError, match="best holds no model"):
        saved.load(folder, "cpu")


def test_meta_and_weights_of_different_models_are_refused(folder: Path) -> None:
    content = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**content, "vocabulary_size": 41}))
    with pytest.raises(InputError, match="are of different models"):
        saved.load(folder, "cpu")


def test_a_vocabulary_of_another_size_is_refused(vocabulary: Vocabulary) -> None:
    with pytest.raises(InputError, match="a vocabulary of 40 tokens and 2 categories, not 90 and 3"):
        META.check(vocabulary)


def test_another_vocabulary_of_the_same_size_is_refused(
    vocabulary: Vocabulary, features: NDArray[np.uint32]
) -> None:
    """As many tokens, of the same features, but another merge."""
    meta = replace(
        META,
        vocabulary_size=len(vocabulary),
        categories=["text 1", "text 2", "disambiguation"],
        vocabulary=saved.digest(vocabulary),
    )
    meta.check(vocabulary)
    backwards = np.arange(60, dtype=np.uint32)[::-1].copy()
    other = Vocabulary.train(features, [0, 60], backwards, size=len(vocabulary))
    assert other.initial_tokens == vocabulary.initial_tokens
    with pytest.raises(InputError, match="another vocabulary of the same size"):
        meta.check(other)
    replace(meta, vocabulary="").check(other)  # of a model that was saved without it

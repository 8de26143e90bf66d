"""How text encoders read: prefixes, prompts of the model, lengths, precision, code that comes along."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clairo.embeddings.sentences import Reading, SentenceEncoder
from clairo.errors import InputError

TEXTS = ["red guitar", "a blue string.", "a much longer text about a drum kit with sticks"]


def encode(folder: Path, texts: list[str], reading: Reading | None = None) -> NDArray[np.float32]:
    return SentenceEncoder(str(folder), device="cpu", batch_size=2, reading=reading)(texts)


@pytest.fixture
def prompted(tiny_sentence_t5: Path, tmp_path: Path) -> Path:
    """A model that brings two prompts, and uses neither unless told to."""
    folder = shutil.copytree(tiny_sentence_t5, tmp_path / "model")
    change(folder, prompts={"query": "query: ", "document": "passage: "})
    return folder


def change(folder: Path, **values: object) -> None:
    path = folder / "config_sentence_transformers.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values))


def test_a_prefix_stands_before_every_text(prompted: Path) -> None:
    plain = encode(prompted, TEXTS)
    made = encode(prompted, TEXTS, Reading(prefix="item: "))
    np.testing.assert_allclose(made, encode(prompted, [f"item: {text}" for text in TEXTS]), atol=1e-6)
    assert np.abs(made - plain).max() > 1e-3


def test_a_prompt_of_the_model_by_name(prompted: Path) -> None:
    made = encode(prompted, TEXTS, Reading(prompt_name="document"))
    np.testing.assert_allclose(made, encode(prompted, [f"passage: {text}" for text in TEXTS]), atol=1e-6)
    with pytest.raises(InputError, match=r"prompt_name = 'doc' is no prompt .*'query', 'document'") as caught:
        encode(prompted, TEXTS, Reading(prompt_name="doc"))
    assert "prefix" in str(caught.value.hint)


def test_a_prompt_that_the_model_uses_by_itself_is_told(prompted: Path) -> None:
    change(prompted, default_prompt_name="query")
    encoder = SentenceEncoder(str(prompted), device="cpu", batch_size=2)
    assert encoder.facts == {"default_prompt": "query: "}
    np.testing.assert_allclose(encoder(TEXTS), encode(prompted, TEXTS, Reading(prefix="query: ")), atol=1e-6)
    assert SentenceEncoder(str(prompted), device="cpu", batch_size=2, reading=Reading(prefix="x")).facts == {}


def test_a_length_cuts_the_text(tiny_sentence_t5: Path) -> None:
    # A token a letter or blank, a blank before the first word, and the end mark: 8 tokens are 6 letters.
    made = encode(tiny_sentence_t5, ["guitar of wood", "guitar of glass"], Reading(max_length=8))
    np.testing.assert_allclose(made[0], made[1], atol=1e-6)
    np.testing.assert_allclose(made[0], encode(tiny_sentence_t5, ["guitar"])[0], atol=1e-6)


def test_a_length_beyond_the_model_is_refused(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "guitar"]
    size = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    base = tmp_path / "base"
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=16, **size)).save_pretrained(base)
    tokenizer = BertTokenizer(vocab={word: place for place, word in enumerate(words)})
    tokenizer.save_pretrained(base)
    model = SentenceTransformer(modules=[Transformer(str(base)), Pooling(8)], device="cpu")
    model.save(str(tmp_path / "model"))
    long = ["red guitar " * 40]
    assert encode(tmp_path / "model", long, Reading(max_length=16)).shape == (1, 8)
    with pytest.raises(InputError, match="max_length = 17, but the model reads 16 tokens at most"):
        encode(tmp_path / "model", long, Reading(max_length=17))


def test_weights_in_half_precision_are_computed_in_float32(tiny_sentence_t5: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_sentence_t5, tmp_path / "model")
    for path in (folder / "model.safetensors", folder / "2_Dense" / "model.safetensors"):
        halved = {name: weight.half() for name, weight in load_file(path).items()}
        save_file(halved, path, metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "float16"}))
    encoder = SentenceEncoder(str(folder), device="cpu", batch_size=2)
    assert {str(weight.dtype) for weight in encoder._model.parameters()} == {"torch.float32"}
    # Rounded to half, the weights themselves are off by a thousandth at most; the arithmetic is not.
    np.testing.assert_allclose(encoder(TEXTS), encode(tiny_sentence_t5, TEXTS), atol=2e-3)


def test_code_that_comes_with_a_model_is_not_run(tiny_sentence_t5: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_sentence_t5, tmp_path / "model")
    trace = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(trace)!r}, 'w')\nclass Own: pass\n")
    modules = json.loads((folder / "modules.json").read_text("utf-8"))
    modules[-1]["type"] = "own.Own"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(InputError, match="brings code of its own, which is never run"):
        encode(folder, TEXTS)
    assert not trace.exists()

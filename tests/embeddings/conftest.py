"""Catalogues as small as a test needs, and models as small as libraries allow."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from clairo.artifacts import Sequences

WriteSequences = Callable[..., Path]


@pytest.fixture
def write_sequences(tmp_path: Path) -> WriteSequences:
    """A writer of the sequences stage's folder.

    One user buys the `training` items (all, if left out) and then the first item twice.
    """

    def write(
        items: Sequence[str],
        columns: Mapping[str, Sequence[Any]] | None = None,
        training: Sequence[int] | None = None,
    ) -> Path:
        folder = tmp_path / "sequences"
        folder.mkdir()
        bought = list(range(len(items)) if training is None else training)
        n = len(bought)
        Sequences(
            items=np.array(items),
            users=np.array(["u"]),
            offsets=np.array([0, n + 2]),
            events=np.array([*bought, 0, 0], dtype=np.uint32),
            times=np.full(n + 2, -1),
            train_end=np.array([n]),
            validation=np.array([n]),
            test=np.array([n + 1]),
            ties=np.array([False]),
            max_history=50,
        ).save(folder)
        table = pl.DataFrame({"item": items, **(columns or {})})
        table.sample(fraction=1, shuffle=True, seed=1).write_parquet(folder / "items.parquet")
        return folder

    return write


@pytest.fixture(scope="session")
def tiny_sentence_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Sentence-T5 (T5 encoder, mean, dense layer, length 1) with random weights, 12 wide."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    base, folder = tmp_path_factory.mktemp("t5"), tmp_path_factory.mktemp("sentence-t5")
    letters = [(letter, -6.0) for letter in "abcdefghijklmnopqrstuvwxyz.:0123456789"]
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    tokenizer = T5Tokenizer(vocab=[*special, *letters], extra_ids=0)
    size = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
    torch.manual_seed(0)
    T5EncoderModel(T5Config(vocab_size=len(tokenizer), **size)).save_pretrained(base)
    tokenizer.save_pretrained(base)
    dense = Dense(16, 12, bias=False, activation_function=torch.nn.Identity())
    layers = [Transformer(str(base)), Pooling(16), dense, Normalize()]
    SentenceTransformer(modules=layers, device="cpu").save(str(folder))
    return folder


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP with random weights, 16 wide, as a folder that open_clip loads."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("clip")
    tower = {"layers": 1, "width": 64}
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "patch_size": 16, **tower},
        "text_cfg": {"context_length": 8, "vocab_size": 50, "heads": 1, **tower},
    }
    torch.manual_seed(0)
    save_file(open_clip.CLIP(**config).state_dict(), folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    return folder


@pytest.fixture(scope="session")
def tiny_dinov2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DINOv2 with random weights, 16 wide, as a folder that transformers loads."""
    import torch
    from safetensors.torch import save_file
    from transformers import BitImageProcessor, Dinov2Config, Dinov2Model

    folder = tmp_path_factory.mktemp("dinov2")
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "patch_size": 8}
    torch.manual_seed(0)
    model = Dinov2Model(Dinov2Config(**size, image_size=32))
    model.config.save_pretrained(folder)
    save_file(model.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    square = {"height": 32, "width": 32}
    BitImageProcessor(size={"shortest_edge": 32}, crop_size=square).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_timm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """timm's `test_vit` with random weights, 64 wide, as a folder that timm loads."""
    import timm
    import torch
    from timm.models import save_for_hf

    folder = tmp_path_factory.mktemp("timm")
    torch.manual_seed(0)
    save_for_hf(timm.create_model("test_vit", pretrained=False), folder, safe_serialization=True)
    return folder

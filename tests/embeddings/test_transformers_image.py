"""Image encoders of transformers: tiny networks with random weights against what their parts give."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from clairo.embeddings.transformers_image import TransformersEncoder
from clairo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE = 32
_TOWER = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "patch_size": 8,
}
_TEXT = {key: size for key, size in _TOWER.items() if key != "patch_size"} | {"vocab_size": 50}
_FLAT = {**_TOWER, "image_size": SIDE}
_STAGES = {"depths": [1, 1], "image_size": SIDE}


def network(family: str) -> Any:
    """A network of transformers of that family, in evaluation."""
    import torch
    import transformers as t

    made = {
        "vit": lambda: t.ViTModel(t.ViTConfig(**_FLAT)),
        "vit-classifier": lambda: t.ViTForImageClassification(t.ViTConfig(**_FLAT)),
        "vit-mae": lambda: t.ViTMAEModel(t.ViTMAEConfig(**_FLAT)),
        "deit": lambda: t.DeiTModel(t.DeiTConfig(**_FLAT)),
        "dinov2": lambda: t.Dinov2Model(t.Dinov2Config(**_FLAT)),
        "dinov2-registers": lambda: t.Dinov2WithRegistersModel(t.Dinov2WithRegistersConfig(**_FLAT)),
        "dinov3": lambda: t.DINOv3ViTModel(t.DINOv3ViTConfig(**_FLAT, num_register_tokens=4)),
        "clip-vision": lambda: t.CLIPVisionModel(t.CLIPVisionConfig(**_FLAT)),
        "clip": lambda: t.CLIPModel(t.CLIPConfig(vision_config=_FLAT, text_config=_TEXT, projection_dim=12)),
        "siglip-vision": lambda: t.SiglipVisionModel(t.SiglipVisionConfig(**_FLAT)),
        "siglip": lambda: t.SiglipModel(t.SiglipConfig(vision_config=_FLAT, text_config=_TEXT)),
        "siglip2": lambda: t.Siglip2VisionModel(t.Siglip2VisionConfig(**_TOWER, num_patches=16)),
        "swin": lambda: t.SwinModel(
            t.SwinConfig(**_STAGES, embed_dim=8, num_heads=[1, 1], patch_size=4, window_size=4)
        ),
        "convnext": lambda: t.ConvNextModel(t.ConvNextConfig(**_STAGES, hidden_sizes=[8, 16], num_stages=2)),
        "resnet": lambda: t.ResNetModel(
            t.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
        ),
        "bert": lambda: t.BertModel(t.BertConfig(**_TEXT)),
    }
    torch.manual_seed(0)
    return made[family]().eval()


def save(model: Any, folder: Path, *, processor: bool = True) -> Path:
    """Write it as the hub has it, with a preprocessor of the same size."""
    import transformers as t
    from transformers.utils import logging

    logging.disable_progress_bar()
    model.save_pretrained(folder)
    logging.enable_progress_bar()
    if "Siglip2" in type(model).__name__:
        t.Siglip2ImageProcessor(patch_size=8, max_num_patches=16).save_pretrained(folder)
    elif processor:
        t.ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


def pictures(count: int = 3, *, height: int = SIDE, width: int = SIDE) -> list[Image.Image]:
    """Noise."""
    noise = np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    return [Image.fromarray(picture) for picture in noise]


def pixels(images: list[Image.Image]) -> Any:
    """What the preprocessor of `save` makes of pictures of its size: -1 to 1, (n, 3, 32, 32)."""
    import torch

    scaled = np.stack([np.asarray(image, dtype=np.float32) for image in images]) / 127.5 - 1
    return torch.from_numpy(scaled.transpose(0, 3, 1, 2).copy())


def encoded(encoder: TransformersEncoder, images: list[Image.Image]) -> NDArray[np.float32]:
    return encoder.encode([encoder.prepare(image) for image in images])


def expected(model: Any, pooled: str, before: int) -> NDArray[np.float32]:
    """By hand: pixels, the network, one vector, length 1."""
    import torch

    tower = getattr(model, "vision_model", model)
    if hasattr(model.config, "mask_ratio"):
        model.config.mask_ratio = 0.0
    with torch.inference_mode():
        made = tower(pixel_values=pixels(pictures()))
        hidden = made.last_hidden_state
        ways: dict[str, Callable[[], Any]] = {
            "cls": lambda: hidden[:, 0],
            "mean": lambda: torch.stack([sum(row[before:]) / len(row[before:]) for row in hidden]),
            "map": lambda: hidden.flatten(2).sum(dim=2) / hidden[0, 0].numel(),
            "pooler": lambda: made.pooler_output.reshape(len(hidden), -1),
            "projected": lambda: model.visual_projection(made.pooler_output),
        }
        vectors = ways[pooled]()
    unit: NDArray[np.float32] = (vectors / vectors.norm(dim=1, keepdim=True)).numpy()
    return unit


# Family, pooling, what it is by hand, tokens before the patches (class, distillation, registers), width.
CASES = [
    ("vit", "auto", "pooler", 1, 16),
    ("vit", "cls", "cls", 1, 16),
    ("vit", "mean", "mean", 1, 16),
    ("deit", "mean", "mean", 2, 16),
    ("vit-mae", "auto", "cls", 1, 16),
    ("vit-mae", "mean", "mean", 1, 16),
    ("dinov2", "auto", "cls", 1, 16),  # its pooler is the class token
    ("dinov2", "mean", "mean", 1, 16),
    ("dinov2-registers", "mean", "mean", 5, 16),
    ("dinov3", "cls", "cls", 5, 16),
    ("dinov3", "mean", "mean", 5, 16),
    ("clip-vision", "auto", "pooler", 1, 16),
    ("clip-vision", "cls", "cls", 1, 16),
    ("clip", "auto", "projected", 1, 12),
    ("clip", "pooler", "pooler", 1, 16),
    ("clip", "mean", "mean", 1, 16),
    ("siglip-vision", "auto", "pooler", 0, 16),
    ("siglip-vision", "mean", "mean", 0, 16),
    ("siglip", "auto", "pooler", 0, 16),
    ("swin", "mean", "mean", 0, 16),
    ("swin", "auto", "pooler", 0, 16),
    ("convnext", "auto", "pooler", 0, 16),
    ("convnext", "mean", "map", 0, 16),
    ("resnet", "pooler", "pooler", 0, 16),
]


@pytest.mark.parametrize(("family", "pooled", "by_hand", "before", "width"), CASES)
def test_the_vector_is_the_one_made_by_hand(
    family: str, pooled: Any, by_hand: str, before: int, width: int, tmp_path: Path
) -> None:
    model = network(family)
    encoder = TransformersEncoder(str(save(model, tmp_path)), device="cpu", pooled=pooled)
    made = encoded(encoder, pictures())
    assert made.shape == (3, width)
    assert made.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6)
    assert np.abs(made[0] - made[1]).max() > 1e-3
    np.testing.assert_allclose(made, expected(model, by_hand, before), atol=2e-5)


@pytest.mark.parametrize("family", ["vit", "vit-mae", "siglip", "siglip2", "swin", "resnet"])
@pytest.mark.parametrize("pooled", ["auto", "mean"])
def test_a_vector_does_not_depend_on_its_batch(family: str, pooled: Any, tmp_path: Path) -> None:
    encoder = TransformersEncoder(str(save(network(family), tmp_path)), device="cpu", pooled=pooled)
    images = pictures(4, height=40, width=60)
    together = encoded(encoder, images)
    alone = np.concatenate([encoded(encoder, [image]) for image in images])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(encoded(encoder, images[::-1]), together[::-1], atol=1e-6)


def test_patches_that_are_padding_do_not_count(tmp_path: Path) -> None:
    import torch

    model = network("siglip2")
    encoder = TransformersEncoder(str(save(model, tmp_path)), device="cpu", pooled="mean")
    (wide,) = pictures(1, height=40, width=60)
    tensors = encoder.prepare(wide)
    count = int(tensors["pixel_attention_mask"].sum())
    assert 0 < count < 16
    with torch.inference_mode():
        hidden = model(**tensors).last_hidden_state[0, :count].mean(dim=0)
    np.testing.assert_allclose(encoder.encode([tensors])[0], (hidden / hidden.norm()).numpy(), atol=1e-6)


def test_a_pooler_without_weights_is_never_used(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = network("vit-classifier")
    folder = str(save(model, tmp_path))
    capfd.readouterr()
    encoder = TransformersEncoder(folder, device="cpu")
    assert encoder.facts == {"pooling": "cls"}
    np.testing.assert_allclose(encoded(encoder, pictures()), expected(model.vit, "cls", 1), atol=2e-5)
    assert capfd.readouterr().err == ""
    with pytest.raises(InputError, match="has no weights of its pooler, so it would be random") as caught:
        TransformersEncoder(folder, device="cpu", pooled="pooler")
    assert caught.value.hint == 'this model offers "cls", "mean"'


def test_weights_in_half_precision_are_computed_in_float32(tmp_path: Path) -> None:
    model = network("dinov2").half()
    encoder = TransformersEncoder(str(save(model, tmp_path)), device="cpu")
    np.testing.assert_allclose(encoded(encoder, pictures()), expected(model.float(), "cls", 1), atol=2e-5)


@pytest.mark.parametrize(
    ("family", "pooled", "message"),
    [
        ("siglip-vision", "cls", "has no class token"),
        ("convnext", "cls", "has no class token"),
        ("vit-mae", "pooler", "has no pooler"),
        ("bert", "auto", "is no model of pictures alone, but a BertModel"),
    ],
)
def test_what_a_model_does_not_offer_is_named(family: str, pooled: Any, message: str, tmp_path: Path) -> None:
    folder = save(network(family), tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        TransformersEncoder(str(folder), device="cpu", pooled=pooled)
    assert str(folder) in str(caught.value)
    assert caught.value.hint


def test_weights_with_a_hole_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    save(network("vit"), tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["layernorm.bias"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"1 of its weights are not in the file, layernorm\.bias the first"):
        TransformersEncoder(str(tmp_path), device="cpu")


def test_weights_of_another_size_are_told_with_both_sizes(tmp_path: Path) -> None:
    folder = save(network("vit"), tmp_path)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 48}))
    words = r"cannot be loaded: \S+ is \[32\] in the file, but \[48\] by its config\.json"
    with pytest.raises(InputError, match=words):
        TransformersEncoder(str(folder), device="cpu")


@pytest.mark.parametrize("pooled", ["auto", "mean"])
def test_a_masked_autoencoder_gives_the_same_bytes_again(pooled: Any, tmp_path: Path) -> None:
    encoder = TransformersEncoder(str(save(network("vit-mae"), tmp_path)), device="cpu", pooled=pooled)
    first = encoded(encoder, pictures(8))
    assert all(encoded(encoder, pictures(8)).tobytes() == first.tobytes() for _ in range(5))


def test_a_folder_has_no_revision(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"embeddings\.image\.revision: the model .* is a folder"):
        TransformersEncoder(str(save(network("vit"), tmp_path)), device="cpu", revision="v1")


def test_a_folder_that_does_not_load_says_what_it_must_hold(tmp_path: Path) -> None:
    folder = save(network("vit"), tmp_path, processor=False)
    with pytest.raises(InputError, match="cannot be loaded") as caught:
        TransformersEncoder(str(folder), device="cpu")
    assert "the folder must hold config.json, preprocessor_config.json" in str(caught.value.hint)


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match="there is no folder /no/such/model"):
        TransformersEncoder("/no/such/model", device="cpu")


def test_code_that_comes_with_a_model_is_not_run(tmp_path: Path) -> None:
    folder = save(network("vit"), tmp_path / "model")
    trace = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(trace)!r}, 'w')\nOwnConfig = OwnModel = object\n")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {
        "model_type": "own",
        "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="brings code of its own, which is never run"):
        TransformersEncoder(str(folder), device="cpu")
    assert not trace.exists()

"""Networks of pictures as small as their libraries allow, with random weights, as folders."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

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


def pictures(count: int = 3) -> list[Image.Image]:
    """Noise, wider than high."""
    noise = np.random.default_rng(0).integers(0, 256, (count, 40, 60, 3), dtype=np.uint8)
    return [Image.fromarray(picture) for picture in noise]


def pixels(images: list[Image.Image]) -> Any:
    """What the preprocessor of `save` makes of them, written out: resized, -1 to 1, (n, 3, 32, 32)."""
    import torch

    resized = [image.resize((SIDE, SIDE), Image.Resampling.BILINEAR) for image in images]
    scaled = np.stack([np.asarray(image, dtype=np.float32) for image in resized]) / 127.5 - 1
    return torch.from_numpy(scaled.transpose(0, 3, 1, 2).copy())

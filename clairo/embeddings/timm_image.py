"""Image encoders of timm: any of its models, by name, by name on the hub, by folder or by file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clairo.embeddings import hub, models, pooling
from clairo.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

_FILES = "timm's config.json and model.safetensors"


class TimmEncoder:
    """Image vectors of length 1 by a network of timm without its classifier.

    Attributes:
        facts: the pooling, and the commit of weights from a hub.
    """

    def __init__(
        self,
        model: str,
        *,
        device: str,
        pooled: pooling.Pooling = "auto",
        weights: Path | None = None,
        revision: str | None = None,
    ) -> None:
        """Load it.

        Args:
            model: timm's name (`vit_base_patch14_dinov2.lvd142m`), `owner/name` on the hub, or a folder.
            device: torch device.
            pooled: `auto`: what the network itself gives its classifier; `cls`, `mean`: the class token, or
                the mean of the patches, of the last layer; `pooler`: the attention pooling, where it has one.
            weights: file of the weights of one of timm's names, in place of timm's own.
            revision: branch, tag or commit of weights from a hub.

        Raises:
            InputError: it does not load, or does not offer the pooling.
        """
        models.refuse_missing_folder(model, "embeddings.image.model")
        hub.refuse_revision(model, revision, "embeddings.image.revision")
        self._what = f"embeddings.image.model = {model!r}"
        if weights is not None:
            self._what += f" with embeddings.image.weights_file = {str(weights)!r}"
        with models.loading(self._what, hint=_advice(model, weights)):
            self._model, repository = _loaded(model, weights, revision)
            self._prepare = _transform(self._model)
        self._model = self._model.eval().to(device)
        self._device = device
        self._pooled = pooled
        self._check()
        self.facts: dict[str, Any] = {"pooling": pooled}
        if repository is not None:
            self.facts["commit"] = hub.commit(repository, revision)

    def prepare(self, image: Image.Image) -> Any:
        """The picture as the model wants it: a (3, height, width) tensor."""
        return self._prepare(image)

    def encode(self, batch: list[Any]) -> NDArray[np.float32]:
        """Vectors of prepared pictures, (n, width)."""
        import torch

        with torch.inference_mode():
            vectors = self._vectors(torch.stack(batch).to(self._device))
        return models.unit(vectors.float().cpu().numpy())

    def _vectors(self, pictures: Any) -> Any:
        if self._pooled in ("auto", "pooler"):
            return self._model(pictures)
        features = self._model.forward_features(pictures)
        if self._pooled == "cls":
            return features[:, 0]
        return pooling.mean(self._width_first(features), before=self._tokens)

    def _width_first(self, features: Any) -> Any:
        """A map as (n, width, height, width of the map); some networks give the width last."""
        last = features.ndim == 4 and features.shape[1] != self._model.num_features
        return features.permute(0, 3, 1, 2) if last else features

    @property
    def _tokens(self) -> int:
        """Tokens before the patches: of the class, registers."""
        return int(getattr(self._model, "num_prefix_tokens", 0))

    def _check(self) -> None:
        """Refuse a pooling that is not offered, on a blank picture and not after an hour."""
        import torch
        from PIL import Image

        offered = ["auto", "mean"]
        if getattr(self._model, "cls_token", None) is not None and self._tokens:
            offered.append("cls")
        if getattr(self._model, "attn_pool", None) is not None:
            offered.append("pooler")
        if self._pooled not in offered:
            lack = "class token" if self._pooled == "cls" else "attention pooling"
            raise pooling.refuse(self._pooled, f"{self._what} has no {lack}", offered=offered)
        with models.loading(self._what, hint="take another model or pooling"), torch.inference_mode():
            blank = self.prepare(Image.new("RGB", (64, 64))).unsqueeze(0).to(self._device)
            shape = tuple(self._vectors(blank).shape)
        if len(shape) != 2:
            raise InputError(f"{self._what} gives no vectors, but an array of shape {shape}")


def _loaded(model: str, weights: Path | None, revision: str | None) -> tuple[Any, str | None]:
    """The network without its classifier, and the repository on the hub that its weights come from."""
    import timm

    place = hub.folder(model)
    source, overlay, repository = model, dict[str, Any](), None
    if weights is not None:
        overlay = _own_weights(model, weights)
    elif place is not None:
        source = f"local-dir:{place}"
    elif "/" in model:
        repository = hub.name(model)
        source = f"hf-hub:{repository}" + (f"@{revision}" if revision else "")
    else:
        repository = getattr(timm.get_pretrained_cfg(model), "hf_hub_id", None)
        if revision and repository is None:
            raise InputError(
                f"embeddings.image.revision: timm has {model!r} on no hub, so it has no revisions",
                hint="leave it out",
            )
        if revision:
            overlay = {"hf_hub_id": f"{repository}@{revision}"}
    # With the classifier that the weights have, so that timm compares every name; without one it would leave
    # what a file lacks at random.
    network = timm.create_model(source, pretrained=True, pretrained_cfg_overlay=overlay or None)
    network.reset_classifier(0)
    return network, repository


def _own_weights(model: str, weights: Path) -> dict[str, Any]:
    """What timm is told of a file: where it is, and how many classes it tells apart."""
    import timm
    from timm.models import load_state_dict

    classifier = getattr(timm.get_pretrained_cfg(model), "classifier", None)
    name = classifier if isinstance(classifier, str) or classifier is None else classifier[0]
    foreign = weights.suffix == ".npz"
    table = {} if foreign else load_state_dict(str(weights), weights_only=True)
    head = table.get(f"{name}.weight")
    classes = 0 if head is None else len(head)
    return {"file": str(weights), "custom_load": foreign, "num_classes": classes, "label_offset": 0}


def _transform(network: Any) -> Any:
    from timm.data import create_transform, resolve_model_data_config

    return create_transform(**resolve_model_data_config(network), is_training=False)


def _advice(model: str, weights: Path | None) -> str:
    if weights is not None:
        return "the file must hold the weights of this architecture: timm.list_models() names all"
    on_hub = model if "/" in model else f"timm/{model}"
    return hub.advice(on_hub if hub.folder(model) is None else model, files=_FILES)

"""Image encoders of transformers: any of its models of pictures, by name on the hub or by folder."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from clairo.embeddings import hub, models, pooling
from clairo.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

_FILES = "config.json, preprocessor_config.json and model.safetensors"
_READ = ("pixel_values", "pixel_attention_mask", "spatial_shapes")  # the last two: patches of any number
_SINGLE = ("cls_token", "class_embedding", "distillation_token")  # one token each, before the patches
_CLASS = ("cls_token", "class_embedding")


class TransformersEncoder:
    """Image vectors of length 1 by a network of transformers, in float32.

    Attributes:
        facts: the pooling that `auto` came to, and the commit of a name on the hub.
    """

    def __init__(
        self, model: str, *, device: str, pooled: pooling.Pooling = "auto", revision: str | None = None
    ) -> None:
        """Load it. Code that comes with a model is never run.

        Args:
            model: name on the hub or folder.
            device: torch device.
            pooled: what makes one vector of the last layer. `auto`: the model's own image features where it
                has a text tower (CLIP, SigLIP); otherwise its pooler if that has weights, its class token, or
                the mean of its patches, whichever is there first.
            revision: branch, tag or commit of a name on the hub.

        Raises:
            InputError: it does not load, is no model of pictures, or does not offer the pooling.
        """
        models.refuse_missing_folder(model, "embeddings.image.model")
        hub.refuse_revision(model, revision, "embeddings.image.revision")
        self._what = f"embeddings.image.model = {model!r}"
        with models.loading(self._what, hint=hub.advice(model, files=_FILES)):
            self._processor, self._model, missing = _loaded(model, revision)
        self._model = self._model.eval().to(device)
        self._own = _without_chance(self._model)
        self._device = device
        self._tower: Any = getattr(self._model, "vision_model", self._model)
        self._check(missing)
        self._before = _tokens_before_patches(self._tower)
        pooler_trained = not any(_of_pooler(key) for key in missing)
        self._pooled = self._chosen(pooled, pooler_trained=pooler_trained)
        self.facts: dict[str, Any] = {"pooling": self._pooled}
        if hub.folder(model) is None:
            self.facts["commit"] = hub.commit(hub.name(model), revision)

    def prepare(self, image: Image.Image) -> dict[str, Any]:
        """The picture as the model wants it, tensors of one row."""
        made = self._processor(images=image, return_tensors="pt")
        return {key: made[key] for key in _READ if key in made}

    def encode(self, batch: list[Any]) -> NDArray[np.float32]:
        """Vectors of prepared pictures, (n, width)."""
        import torch

        if len({tuple(value.shape for value in picture.values()) for picture in batch}) > 1:
            raise InputError(
                f"{self._what} makes tensors of different sizes of different pictures",
                hint="its preprocessor must resize all of them to one size",
            )
        tensors = {key: torch.cat([one[key] for one in batch]).to(self._device) for key in batch[0]}
        tensors |= {key: row.to(self._device).expand(len(batch), -1) for key, row in self._own.items()}
        with torch.inference_mode():
            vectors = self._vectors(tensors)
        return models.unit(vectors.float().cpu().numpy())

    def _vectors(self, tensors: dict[str, Any]) -> Any:
        if self._pooled == "features":
            made = self._model.get_image_features(**tensors)
            return getattr(made, "pooler_output", made)
        made = self._tower(**tensors)
        if self._pooled == "pooler":
            return made.pooler_output.flatten(1)
        if self._pooled == "cls":
            return made.last_hidden_state[:, 0]
        mask = tensors.get("pixel_attention_mask")
        return pooling.mean(made.last_hidden_state, before=self._before, mask=mask)

    def _check(self, missing: list[str]) -> None:
        """Refuse what does not read pictures alone, and weights with holes that random ones would fill."""
        if getattr(self._tower, "main_input_name", None) != "pixel_values":
            kind = type(self._model).__name__
            raise InputError(
                f"{self._what} is no model of pictures alone, but a {kind}",
                hint="take a model such as SigLIP, DINOv2, ViT or CLIP",
            )
        holes = [key for key in missing if not _of_pooler(key)]
        if holes:
            raise InputError(
                f"{self._what}: {len(holes)} of its weights are not in the file, {holes[0]} the first",
                hint="the file is of another model, or cut short",
            )

    def _chosen(self, asked: pooling.Pooling, *, pooler_trained: bool) -> str:
        """The pooling that is used: `features`, `pooler`, `cls` or `mean`."""
        import torch
        from PIL import Image

        with models.loading(self._what, hint="take another model"), torch.inference_mode():
            blank = self.prepare(Image.new("RGB", (64, 64)))
            made = self._tower(**{key: value.to(self._device) for key, value in (blank | self._own).items()})
        has_pooler = pooler_trained and getattr(made, "pooler_output", None) is not None
        has_class = self._before > 0 and made.last_hidden_state.ndim == 3 and _has_class(self._tower)
        offered = ["pooler"] * has_pooler + ["cls"] * has_class + ["mean"]
        if asked == "auto":
            return "features" if hasattr(self._model, "get_image_features") else offered[0]
        if asked in offered:
            return asked
        if asked == "cls":
            raise pooling.refuse(asked, f"{self._what} has no class token", offered=offered)
        why = "has no pooler" if pooler_trained else "has no weights of its pooler, so it would be random"
        raise pooling.refuse(asked, f"{self._what} {why}", offered=offered)


def _loaded(model: str, revision: str | None) -> tuple[Any, Any, list[str]]:
    """Processor, network, and names of the weights that the file does not have."""
    import torch
    from transformers import AutoImageProcessor, AutoModel

    place = hub.folder(model)
    source = hub.name(model) if place is None else str(place)
    options = {
        "trust_remote_code": False,
        "local_files_only": place is not None,
        "revision": revision or "main",
    }
    with _without_report():
        # In float32 whatever the file holds: half precision would make the vectors depend on the machine.
        network, notes = AutoModel.from_pretrained(
            source,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are refused here, in words
            **options,
        )
    for key, in_file, wanted in sorted(notes["mismatched_keys"]):
        raise ValueError(f"{key} is {list(in_file)} in the file, but {list(wanted)} by its config.json")
    # After the network: without a connection, this one's error speaks of a missing file instead.
    processor = AutoImageProcessor.from_pretrained(source, **options)
    return processor, network, sorted(notes["missing_keys"])


@contextmanager
def _without_report() -> Iterator[None]:
    """Hide transformers' table of weights without a place: what matters of it is an error here."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _without_chance(network: Any) -> dict[str, Any]:
    """Make a masked autoencoder drop no patches; what it takes, a row, to leave them in their order too.

    In an order by chance, sums would come out otherwise in their last bits from run to run.
    """
    import torch

    if not hasattr(network.config, "mask_ratio"):
        return {}
    network.config.mask_ratio = 0.0
    if network.config.model_type != "vit_mae":
        return {}
    patches = network.embeddings.position_embeddings.shape[1] - 1
    return {"noise": torch.linspace(0, 1, patches).unsqueeze(0)}


def _of_pooler(key: str) -> bool:
    return "pooler" in key.split(".")


def _tokens_before_patches(tower: Any) -> int:
    """Tokens that stand before the patches: of the class, of distillation, registers."""
    count = 0
    for key, weight in tower.named_parameters():
        last = key.rpartition(".")[2]
        count += weight.shape[1] if last == "register_tokens" else last in _SINGLE
    return count


def _has_class(tower: Any) -> bool:
    return any(key.rpartition(".")[2] in _CLASS for key, _ in tower.named_parameters())

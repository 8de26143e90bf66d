"""The fitted fusion: how vectors of modalities become the vectors that quantizers see."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast

import numpy as np

from clairo.artifacts import Embedding, npz
from clairo.errors import InputError
from clairo.fused.pca import Projection

Mode = Literal["fused", "separate", "text", "image"]
FILE = "pca.npz"
MODALITIES = ("text", "image")


def modalities(mode: Mode) -> tuple[str, ...]:
    """The modalities that a mode reads."""
    return MODALITIES if mode in ("fused", "separate") else (mode,)


def groups_of(mode: Mode) -> tuple[str, ...]:
    """The quantizer groups that a mode makes."""
    return ("fused",) if mode == "fused" else modalities(mode)


@dataclass(frozen=True)
class Fusion:
    """Projections of the modalities, and how their results are put together.

    Attributes:
        mode: as configured.
        parts: a projection for each modality that the mode reads.
        final: the projection of the concatenation, if there is one.
    """

    mode: Mode
    parts: Mapping[str, Projection]
    final: Projection | None = None

    def transform(self, embeddings: Mapping[str, Embedding]) -> dict[str, Embedding]:
        """Vectors of the quantizer groups, from vectors of the modalities with the same rows.

        In the `fused` mode an item that lacks a modality gets zeros for its share, which is that modality's
        mean; an item that lacks all of them is absent.
        """
        shares = {name: self._share(name, embeddings[name]) for name in modalities(self.mode)}
        if self.mode != "fused":
            return shares
        return {"fused": self._concatenated(list(shares.values()))}

    def _share(self, name: str, embedding: Embedding) -> Embedding:
        projection = self.parts[name]
        if embedding.width != len(projection.mean):
            raise InputError(
                f"{name} vectors are {embedding.width} wide, but the PCA was fitted on {len(projection.mean)}"
            )
        vectors = np.zeros((len(embedding.ids), projection.width), dtype=np.float32)
        vectors[embedding.present] = projection(embedding.vectors[embedding.present])
        return Embedding(embedding.ids, vectors, embedding.present)

    def _concatenated(self, shares: list[Embedding]) -> Embedding:
        vectors = np.concatenate([share.vectors for share in shares], axis=1)
        present = np.logical_or.reduce([share.present for share in shares])
        if self.final is not None:
            vectors = np.where(present[:, None], self.final(vectors), np.float32(0))
        return Embedding(shares[0].ids, vectors, present)

    def save(self, folder: Path) -> None:
        """Write `pca.npz` into `folder`."""
        parts = dict(self.parts) if self.final is None else {**self.parts, "final": self.final}
        arrays: dict[str, Any] = {"mode": np.array(self.mode), "parts": np.array(list(parts))}
        for name, part in parts.items():
            arrays |= {f"{name}.{key}": np.asarray(value) for key, value in vars(part).items()}
        npz.write(folder / FILE, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `pca.npz` of `folder`.

        Raises:
            InputError: it is missing or damaged.
        """
        path = folder / FILE
        head = npz.read(path, ("mode", "parts"))
        parts = {str(name): _read(path, str(name)) for name in head["parts"]}
        return cls(cast("Mode", str(head["mode"])), parts, parts.pop("final", None))


def _read(path: Path, name: str) -> Projection:
    keys = ("mean", "components", "scale", "explained")
    arrays = npz.read(path, tuple(f"{name}.{key}" for key in keys))
    mean, components, scale, explained = (arrays[f"{name}.{key}"] for key in keys)
    return Projection(mean, components, scale, float(explained))

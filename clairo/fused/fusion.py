"""The fitted fusion: how vectors of modalities become the vectors that quantizers see."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import Embedding, npz
from clairo.errors import InputError
from clairo.fused.confidence import Confidence
from clairo.fused.pca import Projection

FILE = "pca.npz"


def concatenates(mode: str) -> bool:
    """Whether a mode makes a concatenation of its modalities."""
    return mode in ("fused", "both")


def groups_of(mode: str, modalities: tuple[str, ...]) -> tuple[str, ...]:
    """The quantizer groups that a mode makes of these modalities, in the order of their codes."""
    separate = () if mode == "fused" else modalities
    return (*separate, "fused") if concatenates(mode) else separate


@dataclass(frozen=True)
class Fusion:
    """Projections of the modalities, and how their results are put together.

    Attributes:
        mode: as configured.
        parts: a projection for each modality that the mode reads, in the order of concatenation.
        weights: factor of each modality in the concatenation, 1 where none is given.
        zeroed: modalities of which every item has the mean.
        confidence: learned factors of the modalities in the concatenation, if there are any.
        final: the projection of the concatenation, if there is one.
    """

    mode: str
    parts: Mapping[str, Projection]
    weights: Mapping[str, float] = field(default_factory=dict)
    zeroed: tuple[str, ...] = ()
    confidence: Confidence | None = None
    final: Projection | None = None

    @property
    def modalities(self) -> tuple[str, ...]:
        """The modalities that are read."""
        return tuple(self.parts)

    @property
    def groups(self) -> tuple[str, ...]:
        """The quantizer groups that are made."""
        return groups_of(self.mode, self.modalities)

    def transform(
        self, embeddings: Mapping[str, Embedding], categories: NDArray[np.str_] | None = None
    ) -> dict[str, Embedding]:
        """Vectors of the quantizer groups, from vectors of the modalities with the same rows.

        In the concatenation an item that lacks a modality gets zeros for its share, which is that modality's
        mean; an item that lacks all of them is absent.

        Args:
            embeddings: vectors of each modality.
            categories: (n,) category of each item, for weights that depend on it.
        """
        shares = self.shares(embeddings)
        groups = dict(shares)
        if concatenates(self.mode):
            groups["fused"] = self._concatenated(shares, categories)
        return {name: groups[name] for name in self.groups}

    def shares(self, embeddings: Mapping[str, Embedding]) -> dict[str, Embedding]:
        """The share of each modality, before any weight."""
        return {name: self._share(name, embeddings[name]) for name in self.modalities}

    def _share(self, name: str, embedding: Embedding) -> Embedding:
        projection = self.parts[name]
        if embedding.width != len(projection.mean):
            raise InputError(
                f"{name} vectors are {embedding.width} wide, but the PCA was fitted on {len(projection.mean)}"
            )
        vectors = np.zeros((len(embedding.ids), projection.width), dtype=np.float32)
        if name not in self.zeroed:
            vectors[embedding.present] = projection(embedding.vectors[embedding.present])
        return Embedding(embedding.ids, vectors, embedding.present)

    def _concatenated(
        self, shares: Mapping[str, Embedding], categories: NDArray[np.str_] | None
    ) -> Embedding:
        learned = {} if self.confidence is None else self.confidence.factors(shares, categories)
        parts = []
        for name, share in shares.items():
            factor = learned.get(name, np.ones(len(share.ids))) * self.weights.get(name, 1.0)
            parts.append(share.vectors * factor[:, None].astype(np.float32))
        vectors = np.concatenate(parts, axis=1)
        present = np.logical_or.reduce([share.present for share in shares.values()])
        if self.final is not None:
            vectors = np.where(present[:, None], self.final(vectors), np.float32(0))
        return Embedding(next(iter(shares.values())).ids, vectors, present)

    def save(self, folder: Path) -> None:
        """Write `pca.npz`, and `weights.npz` if any were learned, into `folder`."""
        parts = dict(self.parts) if self.final is None else {**self.parts, "final": self.final}
        arrays: dict[str, Any] = {
            "mode": np.array(self.mode),
            "parts": np.array(list(parts)),
            "weights": np.array([self.weights.get(name, 1.0) for name in self.modalities]),
            "zeroed": np.array([name in self.zeroed for name in self.modalities]),
        }
        for name, part in parts.items():
            arrays |= {f"{name}.{key}": np.asarray(value) for key, value in vars(part).items()}
        npz.write(folder / FILE, arrays)
        if self.confidence is not None:
            self.confidence.save(folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote into `folder`.

        Raises:
            InputError: a file is missing or damaged.
        """
        path = folder / FILE
        head = npz.read(path, ("mode", "parts", "weights", "zeroed"))
        parts = {str(name): _read(path, str(name)) for name in head["parts"]}
        final = parts.pop("final", None)
        weights = dict(zip(parts, head["weights"].tolist(), strict=True))
        zeroed = tuple(name for name, all_equal in zip(parts, head["zeroed"], strict=True) if all_equal)
        return cls(str(head["mode"]), parts, weights, zeroed, Confidence.load(folder), final)


def _read(path: Path, name: str) -> Projection:
    keys = ("mean", "components", "scale", "explained")
    arrays = npz.read(path, tuple(f"{name}.{key}" for key in keys))
    mean, components, scale, explained = (arrays[f"{name}.{key}"] for key in keys)
    return Projection(mean, components, scale, float(explained))

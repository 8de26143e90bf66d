"""The tuned head: what training histories teach about one modality, as a small function of its vectors."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import Embedding, npz
from clairo.errors import InputError

Array = NDArray[np.float32]
FILE = "tuned.npz"
_SHORTEST = 1e-12  # length below which a vector has no direction


@dataclass(frozen=True)
class Head:
    """Centre, scale to length 1, add what a linear or one hidden layer says of it, scale to length 1 again.

    Attributes:
        mean: (width,) float32, of the training items.
        weights: one matrix (width, width), or two: (hidden, width) and (width, hidden).
        biases: one a matrix.
    """

    mean: Array
    weights: tuple[Array, ...]
    biases: tuple[Array, ...]

    @property
    def width(self) -> int:
        """Width of the vectors, before and after."""
        return len(self.mean)

    def __call__(self, vectors: Array) -> Array:
        """Vectors (n, width) of length 1."""
        start = directions(vectors, self.mean)
        change = start
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            change = np.maximum(change @ weight.T + bias, 0)
        return unit(start + change @ self.weights[-1].T + self.biases[-1])

    def tuned(self, name: str, embedding: Embedding) -> Embedding:
        """The embedding with what the head makes of its vectors; absent items stay absent.

        Raises:
            InputError: the vectors of the modality `name` have another width.
        """
        if embedding.width != self.width:
            raise InputError(
                f"{name} vectors are {embedding.width} wide, those that the head was tuned on {self.width}"
            )
        vectors = np.zeros_like(embedding.vectors)
        vectors[embedding.present] = self(embedding.vectors[embedding.present])
        return Embedding(embedding.ids, vectors, embedding.present)


def directions(vectors: Array, mean: Array) -> Array:
    """Vectors (n, width) seen from `mean`, of length 1."""
    return unit(vectors - mean)


def unit(vectors: Array) -> Array:
    """Vectors (n, width) of length 1; one of length 0 stays."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Array = (vectors / np.maximum(lengths, _SHORTEST)).astype(np.float32)
    return scaled


def save(heads: Mapping[str, Head], folder: Path) -> None:
    """Write the heads of all tuned modalities as `tuned.npz` into `folder`; nothing where there are none."""
    if not heads:
        return
    arrays: dict[str, NDArray[np.generic]] = {"modalities": np.array(list(heads))}
    for name, head in heads.items():
        arrays |= {f"{name}.mean": head.mean, f"{name}.layers": np.array(len(head.weights))}
        for number, (weight, bias) in enumerate(zip(head.weights, head.biases, strict=True)):
            arrays |= {f"{name}.weight.{number}": weight, f"{name}.bias.{number}": bias}
    npz.write(folder / FILE, arrays)


def load(folder: Path) -> dict[str, Head]:
    """The heads that `save` wrote; none where no modality was tuned.

    Raises:
        InputError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    return {str(name): _read(path, str(name)) for name in npz.read(path, ("modalities",))["modalities"]}


def _read(path: Path, name: str) -> Head:
    head = npz.read(path, (f"{name}.mean", f"{name}.layers"))
    layers = range(int(head[f"{name}.layers"]))
    weights, biases = (
        tuple(npz.read(path, (key,))[key] for key in (f"{name}.{what}.{number}" for number in layers))
        for what in ("weight", "bias")
    )
    return Head(head[f"{name}.mean"], weights, biases)

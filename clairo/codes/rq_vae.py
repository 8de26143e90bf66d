"""RQ-VAE (Lee et al., CVPR 2022; Rajput et al., NeurIPS 2023): residual codebooks in a space that is learned.

An encoder takes vectors to a narrow latent space, a chain of codebooks quantizes them there, and a decoder
takes the sums of their entries back. `clairo.codes.rq_vae_training` trains the three together.
"""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from clairo.codes.quantizer import relative_error
from clairo.errors import InputError
from clairo.threads import one_of_torch

_ROWS = 4096  # encoded at once


class Network(nn.Module):
    """Encoder, codebooks and decoder.

    Attributes:
        codebooks: entries in the latent space, (books, values, latent).
        mean: of the vectors trained on, (width,); taken away before the encoder, added after the decoder.
        scale: their standard deviation over all dimensions together, divided out likewise.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, hidden: Sequence[int], latent: int, books: int, values: int) -> None:
        super().__init__()
        self.encoder = _layers([width, *hidden, latent])
        self.decoder = _layers([latent, *reversed(hidden), width])
        self.codebooks = nn.Parameter(torch.zeros(books, values, latent))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(()))

    def encode(self, vectors: Tensor) -> Tensor:
        """Latent vectors (n, latent) of `vectors` (n, width)."""
        latent: Tensor = self.encoder((vectors - self.mean) / self.scale)
        return latent

    def decode(self, latent: Tensor) -> Tensor:
        """Vectors (n, width) of latent ones."""
        vectors: Tensor = self.decoder(latent) * self.scale + self.mean
        return vectors

    def nearest(self, latent: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Codes (n, books), and what every codebook was given to quantize: (n, latent) each."""
        codes, left, given = [], latent, []
        for entries in self.codebooks:
            given.append(left)
            codes.append((entries.square().sum(dim=1) - 2 * left @ entries.T).argmin(dim=1))
            left = left - entries[codes[-1]]
        return torch.stack(codes, dim=1), given

    def entries(self, codes: Tensor) -> Tensor:
        """The entries that codes (n, books) name, (books, n, latent)."""
        return torch.stack([entries[column] for entries, column in zip(self.codebooks, codes.T, strict=True)])


def _layers(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width_in, width_out in pairwise(widths):
        layers += [nn.Linear(width_in, width_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class RqVae:
    """A trained network as a quantizer."""

    def __init__(self, network: Network) -> None:
        self._network = network.eval()
        self.width = len(network.mean)
        self.books, self.values, self._latent = network.codebooks.shape

    @torch.no_grad()
    def encode(self, vectors: NDArray[np.float32]) -> NDArray[np.uint32]:
        """Codes (n, books): book by book the entry nearest to what is left of the latent vector."""
        codes = np.zeros((len(vectors), self.books), dtype=np.uint32)
        with one_of_torch():
            for start in range(0, len(vectors), _ROWS):
                rows = torch.from_numpy(np.ascontiguousarray(vectors[start : start + _ROWS]))
                codes[start : start + _ROWS] = self._network.nearest(self._network.encode(rows))[0].numpy()
        return codes

    def decode(self, codes: NDArray[np.uint32]) -> NDArray[np.float32]:
        """What the decoder makes of the sums of the entries that codes (n, books) name, (n, width)."""
        return self._decoded(codes, self.books)

    def book_errors(self, vectors: NDArray[np.float32], codes: NDArray[np.uint32]) -> list[float]:
        """What is left after each codebook, relative to the variance."""
        return [relative_error(vectors, self._decoded(codes, book + 1)) for book in range(self.books)]

    @torch.no_grad()
    def _decoded(self, codes: NDArray[np.uint32], books: int) -> NDArray[np.float32]:
        """Vectors by the first `books` codes alone."""
        vectors = np.zeros((len(codes), self.width), dtype=np.float32)
        with one_of_torch():
            for start in range(0, len(codes), _ROWS):
                rows = torch.from_numpy(codes[start : start + _ROWS].astype(np.int64))
                latent = self._network.entries(rows)[:books].sum(dim=0)
                vectors[start : start + _ROWS] = self._network.decode(latent).numpy()
        return vectors

    def save(self, path: Path) -> None:
        """Write weights and codebooks as safetensors, with the widths of the layers in its metadata."""
        hidden = [layer.out_features for layer in self._network.encoder if isinstance(layer, nn.Linear)][:-1]
        shape = [self.width, hidden, self._latent, self.books, self.values]
        save_file(self._network.state_dict(), path, metadata={"shape": json.dumps(shape)})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: the file is missing or damaged.
        """
        try:
            with safe_open(path, framework="pt") as file:
                network = Network(*json.loads(file.metadata()["shape"]))
                network.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        except (OSError, SafetensorError, RuntimeError, KeyError, TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{path} is no RQ-VAE: {reason}") from None
        return cls(network)

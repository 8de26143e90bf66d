"""Training of RQ-VAE: reconstruct the vectors through the codebooks, on the training items alone.

The encoder and the decoder first learn to reconstruct without codebooks; then residual k-means of what the
encoder makes of the items fills the codebooks, and all three learn together. The loss is the squared error of
the reconstruction, and for every codebook the squared distance between what it is given and the entry that is
nearest, which moves the entry and, times `commitment`, the encoder.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from clairo import log, rng
from clairo.codes.residual import ResidualKMeans
from clairo.codes.rq_vae import Network, RqVae
from clairo.threads import one_of_torch

Gradient = Literal["straight-through", "rotation"]

_SETTLING = 0.8  # share of the steps after which no entry is restarted, so that all of them settle
_BETWEEN = 500  # steps between checkpoints
_ROWS_FOR_K_MEANS = 65_536


def train(
    vectors: NDArray[np.float32],
    *,
    books: int,
    values: int,
    hidden: Sequence[int],
    latent: int,
    steps: int,
    start_share: float,
    batch_size: int,
    learning_rate: float,
    commitment: float,
    gradient: Gradient,
    restart_every: int,
    seed: int,
    checkpoint: Path | None = None,
    name: str = "vectors",
) -> RqVae:
    """Learn from `vectors` (n, width), n at least `values`.

    One thread, and every random draw derives from the seed and the step, so the result is the same each time,
    and of a training that was interrupted as well.

    Args:
        vectors: what to learn from.
        books: codebooks.
        values: entries of each.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse.
        latent: width of the space that is quantized.
        steps: optimizer steps in all; the learning rate falls to 0 as half a cosine.
        start_share: share of the steps that come before the codebooks.
        batch_size: vectors a step.
        learning_rate: of AdamW at the start.
        commitment: weight of the loss that draws the encoder to the entries.
        gradient: how the encoder learns through the choice of entries (see `through`).
        restart_every: steps after which entries that none has used since become what a random vector of the
            batch has left there.
        seed: for weights, batches, k-means and restarts.
        checkpoint: file to write now and then, and to go on from.
        name: of the vectors, shown beside the progress.
    """
    data = torch.from_numpy(np.ascontiguousarray(vectors))
    with one_of_torch(), log.step(f"train RQ-VAE of {name}", total=steps) as step:
        training = _Training(
            data, _network(data, hidden, latent, books, values, seed), learning_rate, steps, seed
        )
        training.resume(checkpoint)
        step.advance(training.done)
        start = int(start_share * steps)
        while training.done < steps:
            if training.done == start:
                training.fill_codebooks()
            batch = training.batch(batch_size)
            if training.done < start:
                loss = training.loss_without_codebooks(batch)
            else:
                loss = training.loss(batch, commitment, gradient)
            training.update(loss)
            if training.done % restart_every == 0 and start < training.done <= _SETTLING * steps:
                training.restart(batch)
            if checkpoint is not None and training.done % _BETWEEN == 0:
                training.keep(checkpoint)
            step.advance(loss=float(loss.detach()))
        if checkpoint is not None:
            training.keep(checkpoint)
    return RqVae(training.network)


def through(latent: Tensor, chosen: Tensor, gradient: Gradient) -> Tensor:
    """`chosen` (n, latent), with a gradient that reaches `latent` although the choice has none.

    `straight-through` hands the gradient on as it is. `rotation` (Fifty et al., ICLR 2025) takes `chosen` as
    `latent` rotated and stretched, with rotation and factor held fixed, so that the gradient turns with it.
    """
    if gradient == "straight-through":
        return latent + (chosen - latent).detach()
    length = latent.detach().norm(dim=1, keepdim=True).clamp_min(1e-6)
    wanted = chosen.detach().norm(dim=1, keepdim=True).clamp_min(1e-6)
    source, target = latent.detach() / length, chosen.detach() / wanted
    middle = functional.normalize(source + target, dim=1)
    mirrored = latent - 2 * (latent * middle).sum(dim=1, keepdim=True) * middle
    turned = mirrored + 2 * (latent * source).sum(dim=1, keepdim=True) * target
    stretched: Tensor = turned * (wanted / length)
    return stretched


class _Training:
    """The state of a training, and its steps."""

    def __init__(self, data: Tensor, network: Network, learning_rate: float, steps: int, seed: int) -> None:
        self.data, self.network, self.seed, self.done = data, network, seed, 0
        self.used = torch.zeros(network.codebooks.shape[:2], dtype=torch.int64)
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=0.0)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, steps)

    def batch(self, size: int) -> Tensor:
        """Vectors of a step, none of them twice."""
        rows = torch.from_numpy(self._draw("batch").permutation(len(self.data))[:size])
        return self.data[rows]

    def loss_without_codebooks(self, batch: Tensor) -> Tensor:
        """Of encoder and decoder alone."""
        return self._missed(batch, self.network.encode(batch))

    def loss(self, batch: Tensor, commitment: float, gradient: Gradient) -> Tensor:
        """Of all three; counts the entries that are used."""
        latent = self.network.encode(batch)
        codes, given = self.network.nearest(latent.detach())
        for book, column in enumerate(codes.T):
            self.used[book] += torch.bincount(column, minlength=self.used.shape[1])
        entries = self.network.entries(codes)
        fixed = entries.detach()
        left = latent - (fixed.cumsum(dim=0) - fixed)  # what each codebook was given, with a gradient
        to_entries = (entries - torch.stack(given)).square().mean(dim=(1, 2)).sum()
        to_latent = (left - fixed).square().mean(dim=(1, 2)).sum()
        missed = self._missed(batch, through(latent, entries.sum(dim=0), gradient))
        return missed + to_entries + commitment * to_latent

    def _missed(self, batch: Tensor, latent: Tensor) -> Tensor:
        """Squared error of the reconstruction, in units of the vectors' variance."""
        return functional.mse_loss(self.network.decode(latent), batch) / self.network.scale.square()

    def update(self, loss: Tensor) -> None:
        """One step down the loss."""
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.schedule.step()
        self.done += 1

    @torch.no_grad()
    def fill_codebooks(self) -> None:
        """Residual k-means of what the encoder makes of the vectors."""
        rows = self._draw("k-means").permutation(len(self.data))[:_ROWS_FOR_K_MEANS]
        latent = self.network.encode(self.data[np.sort(rows)]).numpy()
        books, values, _ = self.network.codebooks.shape
        seed = rng.derive(self.seed, "k-means")
        found = ResidualKMeans.train(latent, books=books, values=values, iterations=25, seed=seed).codebooks
        self.network.codebooks.copy_(torch.from_numpy(found))

    @torch.no_grad()
    def restart(self, batch: Tensor) -> None:
        """Give entries that none has used a place where vectors are."""
        given = self.network.nearest(self.network.encode(batch))[1]
        draw = self._draw("restart")
        for book, used in enumerate(self.used):
            dead = torch.nonzero(used == 0).ravel()
            rows = draw.integers(len(batch), size=len(dead))
            self.network.codebooks[book, dead] = given[book][rows]
        self.used.zero_()

    def keep(self, path: Path) -> None:
        """Write all of it under a temporary name, then rename."""
        partial = path.with_name(f"{path.name}.partial")
        torch.save(self._state(), partial)
        partial.replace(path)

    def resume(self, path: Path | None) -> None:
        """Go on from what `keep` wrote, if it did."""
        if path is None or not path.is_file():
            return
        kept = torch.load(path, weights_only=True)
        self.network.load_state_dict(kept["network"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.schedule.load_state_dict(kept["schedule"])
        self.used, self.done = kept["used"], kept["done"]

    def _state(self) -> dict[str, Any]:
        parts = {key: getattr(self, key).state_dict() for key in ("network", "optimizer", "schedule")}
        return {**parts, "used": self.used, "done": self.done}

    def _draw(self, purpose: str) -> np.random.Generator:
        return rng.generator(self.seed, purpose, self.done)


def _network(data: Tensor, hidden: Sequence[int], latent: int, books: int, values: int, seed: int) -> Network:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(rng.derive(seed, "weights"))
        network = Network(data.shape[1], hidden, latent, books, values)
    network.mean.copy_(data.mean(dim=0))
    network.scale.copy_((data - network.mean).square().mean().sqrt().clamp_min(1e-12))
    return network

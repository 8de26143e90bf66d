"""Tunes the vectors of a modality on training histories: items bought near one another come to lie near.

For a pair of a batch, the head has to find the second item among the second items of all pairs, and the first
among the first (InfoNCE). Items stand in a batch as often as they are bought, so the logarithm of that share
is taken off their scores: without it, nothing popular could lie near anything. Items whose vectors are equal
cannot be told apart by any head; they are one item here, and never one another's negatives.

A share of the users is held out: no head is fitted to their pairs, which say when to stop. Validation and
test events are never read. The head starts as the identity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from clairo import log, rng
from clairo.errors import InputError
from clairo.fused.head import Head, directions
from clairo.fused.pairs import Pairs, looks, ranks
from clairo.threads import one_of_torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

    from clairo.artifacts import Embedding, Sequences
    from clairo.config import TuningConfig

Report = dict[str, Any]

_EPOCH = 200_000  # pairs of an epoch at most: a head needs no more to settle
_JUDGED = 5_000  # held-out pairs at most
_TOP = (10, 50)


def tune(
    cfg: TuningConfig, name: str, embedding: Embedding, sequences: Sequences, seed: int
) -> tuple[Head, Report]:
    """A head for the modality `name`, and what it changed on pairs of users that it was not fitted to.

    Args:
        cfg: the section.
        name: of the modality.
        embedding: its vectors, with the items of `sequences` as rows.
        sequences: whose training histories teach.
        seed: the run's seed.

    Returns:
        The head, and its report: pairs, epochs, loss and recall of held-out pairs before and after.

    Raises:
        InputError: there are no pairs to fit or to judge by.
    """
    data = _Data.of(cfg, name, embedding, sequences, seed)
    mean = embedding.vectors[embedding.present & sequences.training_items()].mean(axis=0, dtype=np.float64)
    given = np.zeros_like(embedding.vectors)
    given[embedding.present] = directions(embedding.vectors[embedding.present], mean.astype(np.float32))
    with one_of_torch():
        layers, course = _fit(cfg, name, given, data, seed)
    head = Head(mean.astype(np.float32), *layers)
    after = head.tuned(name, embedding).vectors
    report = {
        "pairs": len(data.fit),
        "held_out_pairs": len(data.judge),
        "items_with_a_twin": data.twins,
        **course,
        "recall": _recall(given, after, data, embedding.present),
    }
    return head, report


@dataclass(frozen=True)
class _Data:
    """What one modality's head is fitted to.

    Attributes:
        fit: pairs to fit to.
        judge: pairs of held-out users, neighbours in time alone.
        looks: (n_items,) the same number for items with equal vectors.
        shares: (n_looks,) float64, how often each stands in a pair.
        twins: items whose vector another one has too.
    """

    fit: Pairs
    judge: Pairs
    looks: NDArray[np.int64]
    shares: NDArray[np.float64]
    twins: int

    @classmethod
    def of(cls, cfg: TuningConfig, name: str, embedding: Embedding, sequences: Sequences, seed: int) -> _Data:
        look = looks(embedding.vectors)
        pairs = Pairs.of(sequences, cfg.window)
        seen = embedding.present[pairs.first] & embedding.present[pairs.second]
        pairs = pairs.take(seen & (look[pairs.first] != look[pairs.second]))
        generator = rng.generator(seed, "fused", "tuning", "held out")
        held = (generator.random(sequences.n_users) < cfg.held_out)[pairs.users]
        fit, judge = pairs.take(~held), pairs.take(held & (pairs.distances == 1))
        if not len(fit) or not len(judge):
            raise InputError(
                f"fused.tuned names {name!r}, but the training histories hold {len(fit)} pairs of items with "
                f"different {name} vectors to tune on and {len(judge)} to judge by",
                hint="leave fused.tuned empty, or take more users",
            )
        if len(judge) > _JUDGED:
            judge = judge.take(np.sort(generator.choice(len(judge), _JUDGED, replace=False)))
        counts = np.bincount(look[np.concatenate([fit.first, fit.second])], minlength=int(look.max()) + 1)
        shares = (counts + 1) / (counts + 1).sum()
        same = np.bincount(look[embedding.present])[look[embedding.present]]
        return cls(fit, judge, look, shares, int((same > 1).sum()))


def _recall(before: Any, after: Any, data: _Data, present: NDArray[np.bool_]) -> Report:
    """Share of the held-out pairs whose second item is among the nearest of the first."""
    new = ~data.judge.among(data.fit, len(present))
    report: Report = {"pairs_unseen": int(new.sum())}
    for when, vectors in (("before", before), ("after", after)):
        place = ranks(vectors, data.judge, present)
        for k in _TOP:
            report.setdefault(f"at {k}", {})[when] = round(float((place < k).mean()), 6)
            if new.any():
                unseen = report.setdefault(f"at {k}, pairs unseen", {})
                unseen[when] = round(float((place[new] < k).mean()), 6)
    return report


def _fit(
    cfg: TuningConfig, name: str, given: NDArray[np.float32], data: _Data, seed: int
) -> tuple[tuple[tuple[NDArray[np.float32], ...], tuple[NDArray[np.float32], ...]], Report]:
    """Weights and biases of the epoch with the least loss on held-out pairs, and the course of the losses."""
    import torch

    layers = _layers(given.shape[1], cfg.width, rng.derive(seed, "fused", "tuning", name, "start"))
    loss = _Loss(torch.from_numpy(given), data, cfg)
    optimizer = torch.optim.AdamW(
        [parameter for layer in layers for parameter in layer],
        lr=cfg.learning_rate,
        weight_decay=cfg.weight_decay,
    )
    order = rng.generator(seed, "fused", "tuning", name, "order")
    losses, best = [loss.held_out(layers)], _copied(layers)
    n = min(len(data.fit), _EPOCH)
    with log.step(f"tune {name}", total=cfg.epochs * n) as step:
        for _ in range(cfg.epochs):
            rows = order.permutation(len(data.fit))[:n]
            for batch in _batches(rows, cfg.batch_size):
                optimizer.zero_grad()
                loss(layers, data.fit.take(batch)).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                step.advance(len(batch), loss=losses[-1])
            losses.append(loss.held_out(layers))
            if losses[-1] < min(losses[:-1]):
                best = _copied(layers)
            if len(losses) - 1 - int(np.argmin(losses)) >= cfg.patience:
                break
    course = {
        "epochs": len(losses) - 1,
        "best_epoch": int(np.argmin(losses)),
        "loss": {"before": round(losses[0], 6), "after": round(min(losses), 6)},
    }
    weights, biases = zip(*best, strict=True)
    return (weights, biases), course


class _Loss:
    """The loss of a batch of pairs under some layers."""

    def __init__(self, given: Tensor, data: _Data, cfg: TuningConfig) -> None:
        import torch

        self._given, self._data, self._cfg = given, data, cfg
        self._looks = torch.from_numpy(data.looks)
        self._log_shares = cfg.popularity * torch.from_numpy(data.shares).log().float()

    def __call__(self, layers: list[tuple[Tensor, Tensor]], pairs: Pairs) -> Tensor:
        """Mean over the pairs, and over finding the second from the first and the first from the second."""
        import torch

        first, second = torch.from_numpy(pairs.first), torch.from_numpy(pairs.second)
        here, there = (_applied(layers, self._given[items]) for items in (first, second))
        scores = here @ there.T / self._cfg.temperature
        first, second = self._looks[first], self._looks[second]
        return (self._found(scores, first, second) + self._found(scores.T, second, first)) / 2

    def _found(self, scores: Tensor, asking: Tensor, wanted: Tensor) -> Tensor:
        import torch

        corrected = scores - self._log_shares[wanted]
        no_negative = (wanted == wanted[:, None]) | (wanted == asking[:, None])
        no_negative.fill_diagonal_(False)
        corrected = corrected.masked_fill(no_negative, -torch.inf)
        return torch.nn.functional.cross_entropy(corrected, torch.arange(len(scores)))

    def held_out(self, layers: list[tuple[Tensor, Tensor]]) -> float:
        """Mean loss of the held-out pairs, in batches of the size that is fitted."""
        import torch

        judge = self._data.judge
        with torch.no_grad():
            parts = [
                float(self(layers, judge.take(rows))) * len(rows)
                for rows in _batches(np.arange(len(judge)), self._cfg.batch_size)
            ]
        return sum(parts) / len(judge)


def _applied(layers: list[tuple[Tensor, Tensor]], given: Tensor) -> Tensor:
    """What the head makes of directions (n, width); `Head` does the same without torch."""
    import torch

    change = given
    for weight, bias in layers[:-1]:
        change = torch.relu(change @ weight.T + bias)
    weight, bias = layers[-1]
    return torch.nn.functional.normalize(given + change @ weight.T + bias, dim=1)


def _layers(width: int, hidden: int | None, seed: int) -> list[tuple[Tensor, Tensor]]:
    """Layers that add nothing yet."""
    import torch

    last = torch.zeros(width, hidden or width), torch.zeros(width)
    layers = [last]
    if hidden is not None:
        generator = torch.Generator().manual_seed(seed)
        # He's deviation for inputs of length 1, whose entries are 1 / sqrt(width) and not 1
        first = torch.randn(hidden, width, generator=generator) * 2**0.5
        layers.insert(0, (first, torch.zeros(hidden)))
    for layer in layers:
        for parameter in layer:
            parameter.requires_grad_()
    return layers


def _copied(layers: list[tuple[Tensor, Tensor]]) -> list[tuple[NDArray[np.float32], ...]]:
    return [tuple(parameter.detach().numpy().copy() for parameter in layer) for layer in layers]


def _batches(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Parts of about equal length, none longer than `size`: a short last batch would have few negatives."""
    yield from np.array_split(rows, -(-len(rows) // size))

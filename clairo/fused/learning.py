"""Learns the weights of the modalities from training histories: what is bought next should lie near.

For a pair of items that follow one another in a training history, `CANDIDATES` other items are drawn as often
as they are bought, so that popularity alone wins nothing. The probability of the true one among them is the
softmax of minus a scale times the squared distances of the weighted vectors. Its logarithm, averaged over the
pairs of four users in five, is maximised (L-BFGS) with a Gaussian prior of deviation 1 on what departs from
the base weights: categories and features with little to say keep near them. The pairs of the fifth user
judge: the report gives both scores beside those of equal weights. Validation and test are never read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from clairo import log, rng
from clairo.artifacts import Embedding, Sequences
from clairo.errors import InputError
from clairo.fused.confidence import Confidence, place
from clairo.fused.neighbours import FEATURES, Neighbours

if TYPE_CHECKING:
    import torch

Kind = Literal["modality", "category", "item"]
CANDIDATES = 100
_PAIRS = 20_000  # at most: the parameters are few
_CHUNK = 500  # pairs whose candidates' vectors are gathered at once
_STEPS = 100
_SHOWN = 20  # categories in the report


@dataclass(frozen=True)
class Pairs:
    """Items that follow one another in training histories, each with candidates for the second place.

    Attributes:
        items: (p,) item rows.
        candidates: (p, 1 + CANDIDATES) item rows, the true next item first.
        counts: (p, 1 + CANDIDATES) bool, False for a candidate that is the item itself or the true one again.
        judge: (p,) bool, pairs that nothing is learned from.
    """

    items: NDArray[np.int64]
    candidates: NDArray[np.int64]
    counts: NDArray[np.bool_]
    judge: NDArray[np.bool_]

    @classmethod
    def of(cls, catalogue: Sequences, present: NDArray[np.bool_], seed: int) -> "Pairs":
        """Pairs of items that are `present`, or a random sample if there are many.

        Raises:
            InputError: there are too few to learn and to judge by.
        """
        offsets, events = catalogue.training()
        owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        first, second = events[:-1].astype(np.int64), events[1:].astype(np.int64)
        rows = np.flatnonzero(
            (owner[:-1] == owner[1:]) & (first != second) & present[first] & present[second]
        )
        generator = rng.generator(seed, "fused", "learned weights")
        if len(rows) > _PAIRS:
            rows = np.sort(generator.choice(rows, _PAIRS, replace=False))
        judge = (generator.random(len(offsets) - 1) < 0.2)[owner[rows]]
        if judge.all() or not judge.any():
            raise InputError(
                f"fused.learned_weights finds {len(rows)} pairs of items in training histories: too few",
                hint='set fused.learned_weights = "none"',
            )
        drawn = second[generator.choice(rows, (len(rows), CANDIDATES))]
        candidates = np.column_stack([second[rows], drawn])
        counts = (candidates != first[rows, None]) & (candidates != second[rows, None])
        counts[:, 0] = True
        return cls(first[rows], candidates, counts, judge)


def learn(
    kind: Kind,
    shares: Mapping[str, Embedding],
    catalogue: Sequences,
    *,
    categories: NDArray[np.str_] | None,
    level: int,
    seed: int,
) -> tuple[Confidence, dict[str, Any]]:
    """Learned weights of the modalities of `shares`, and what the report says of them.

    Args:
        kind: what the weights depend on beside the modality.
        shares: vectors of the modalities, rows as the catalogue's items.
        catalogue: the sequences; only training histories are read.
        categories: (n_items,) category of each item, for `category`; empty where it has none.
        level: which entry of the items' lists of categories these are.
        seed: the run's seed.

    Raises:
        InputError: training histories hold too few pairs.
    """
    names, training = tuple(shares), catalogue.training_items()
    present = np.logical_or.reduce([share.present for share in shares.values()])
    pairs = Pairs.of(catalogue, present, seed)
    start = Confidence.equal(names)
    features = None
    if kind == "category" and categories is not None:
        known = np.unique(categories[training & (categories != "")])
        start = replace(start, categories=known, by_category=np.zeros((len(known), len(names))), level=level)
    if kind == "item":
        generator = rng.generator(seed, "fused", "neighbours")
        start = replace(start, neighbours=Neighbours.of(shares, training, generator))
        features = start.neighbours.features(shares) if start.neighbours else None
    rows = place(start.categories, categories) if start.level >= 0 and categories is not None else None
    problem = _Problem(shares, pairs, rows, features, len(start.categories))
    equal, learned = problem.solve(learn_weights=False), problem.solve(learn_weights=True)
    base, by_category, slopes = (np.round(part.numpy(), 6) for part in learned[1:])
    made = replace(start, base=base, by_category=by_category[:-1], slopes=slopes)
    scores = {"equal": problem.scores(equal), "learned": problem.scores(learned)}
    return made, _described(kind, made, shares, categories, training, pairs, scores)


class _Problem:
    """The pairs with all that their likelihood needs, as tensors."""

    def __init__(
        self,
        shares: Mapping[str, Embedding],
        pairs: Pairs,
        categories: NDArray[np.int64] | None,
        features: NDArray[np.float64] | None,
        n_categories: int,
    ) -> None:
        import torch

        vectors = [share.vectors for share in shares.values()]
        lengths = [np.einsum("nd,nd->n", part, part, dtype=np.float64) for part in vectors]
        self._squares = torch.from_numpy(np.column_stack(lengths))
        self._products = torch.from_numpy(np.stack([_products(part, pairs) for part in vectors], axis=2))
        self._items, self._candidates = torch.from_numpy(pairs.items), torch.from_numpy(pairs.candidates)
        self._counts, self._judge = torch.from_numpy(pairs.counts), torch.from_numpy(pairs.judge)
        self._categories = None if categories is None else torch.from_numpy(categories)
        self._features = None if features is None else torch.from_numpy(features)
        self._n_categories, self._m = n_categories, len(vectors)

    def solve(self, *, learn_weights: bool) -> list["torch.Tensor"]:
        """What fits best: log of the scale, base, logits of categories (the last row: of none), slopes."""
        import torch

        shapes = ((1,), (self._m,), (self._n_categories + 1, self._m), (self._m, len(FEATURES)))
        found = [torch.zeros(shape, dtype=torch.float64) for shape in shapes]
        found[0] -= torch.log(self._squares.sum(dim=1).mean())
        free = found if learn_weights else found[:1]
        for part in free:
            part.requires_grad_()
        optimizer = torch.optim.LBFGS(
            free, max_iter=_STEPS, tolerance_grad=1e-8, tolerance_change=1e-10, line_search_fn="strong_wolfe"
        )
        learned = ~self._judge
        name = "learn the weights of modalities" if learn_weights else "score equal weights"
        with log.step(name) as step:

            def loss() -> "torch.Tensor":
                optimizer.zero_grad()
                prior = (found[1] ** 2).sum() / 100 + (found[2] ** 2).sum() + (found[3] ** 2).sum()
                value = -self._likelihood(found)[learned].mean() + prior / (2 * int(learned.sum()))
                value.backward()  # type: ignore[no-untyped-call]
                step.advance(1, loss=float(value.detach()))
                return value

            optimizer.step(loss)  # type: ignore[no-untyped-call]
        return [part.detach() for part in found]

    def scores(self, found: list["torch.Tensor"]) -> dict[str, dict[str, float]]:
        """Mean log-likelihood and share of pairs whose true item is the nearest, learned from and judging."""
        logits = self._logits(found)
        likelihood = logits.log_softmax(dim=1)[:, 0]
        nearest = (logits[:, 0] >= logits.max(dim=1).values).double()
        return {
            name: {
                "log_likelihood": round(float(likelihood[rows].mean()), 4),
                "nearest": round(float(nearest[rows].mean()), 4),
            }
            for name, rows in (("learned_from", ~self._judge), ("judged_by", self._judge))
        }

    def _likelihood(self, found: list["torch.Tensor"]) -> "torch.Tensor":
        return self._logits(found).log_softmax(dim=1)[:, 0]

    def _logits(self, found: list["torch.Tensor"]) -> "torch.Tensor":
        """Minus scaled squared distances of weighted vectors, (p, 1 + CANDIDATES)."""
        weights = self._weights(*found[1:])
        own, other = weights[self._items][:, None], weights[self._candidates]  # (p, 1, m), (p, c, m)
        squares = own * self._squares[self._items][:, None] + other * self._squares[self._candidates]
        gaps = (squares - 2 * (own * other).sqrt() * self._products).sum(dim=2)
        logits = -found[0].exp() * gaps
        return logits.masked_fill(~self._counts, float("-inf"))

    def _weights(
        self, base: "torch.Tensor", by_category: "torch.Tensor", slopes: "torch.Tensor"
    ) -> "torch.Tensor":
        """As `Confidence.weights`, (n_items, m)."""
        logits = base.expand(len(self._squares), self._m)
        if self._categories is not None:
            known = (self._categories >= 0)[:, None]
            logits = logits + by_category[self._categories] * known
        if self._features is not None:
            logits = logits + (self._features * slopes).sum(dim=2)
        return self._m * logits.softmax(dim=1)


def _products(vectors: NDArray[np.float32], pairs: Pairs) -> NDArray[np.float64]:
    """Inner products of every pair's item with its candidates, (p, 1 + CANDIDATES)."""
    made = np.zeros(pairs.candidates.shape)
    for start in range(0, len(made), _CHUNK):
        rows = slice(start, start + _CHUNK)
        own, other = vectors[pairs.items[rows]], vectors[pairs.candidates[rows]]
        made[rows] = np.einsum("pd,pcd->pc", own, other, dtype=np.float64)
    return made


def _described(
    kind: Kind,
    made: Confidence,
    shares: Mapping[str, Embedding],
    categories: NDArray[np.str_] | None,
    training: NDArray[np.bool_],
    pairs: Pairs,
    scores: dict[str, Any],
) -> dict[str, Any]:
    weights = made.weights(shares, categories)[training]
    named = [dict(zip(made.modalities, np.round(row, 4).tolist(), strict=True)) for row in made.slopes.T]
    report: dict[str, Any] = {
        "kind": kind,
        "weights": _named(made, weights.mean(axis=0)),
        "lowest": _named(made, weights.min(axis=0)),
        "highest": _named(made, weights.max(axis=0)),
        "pairs": {"learned_from": int((~pairs.judge).sum()), "judged_by": int(pairs.judge.sum())},
        "candidates": CANDIDATES,
        "score": scores,
    }
    if made.neighbours is not None:
        report["slopes"] = dict(zip(FEATURES, named, strict=True))
    if made.level >= 0 and categories is not None:
        own = categories[training]
        common = sorted(made.categories, key=lambda name: (-int((own == name).sum()), name))[:_SHOWN]
        report["by_category"] = {str(name): _named(made, weights[own == name][0]) for name in common}
    return report


def _named(made: Confidence, values: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(made.modalities, np.round(values, 4).tolist(), strict=True))

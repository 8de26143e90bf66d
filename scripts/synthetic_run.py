"""Writes a run folder with random weights, so that benchmarks of the engine need neither data nor training.

    python scripts/synthetic_run.py RUN [--like OTHER] [--items 6250] [--users 2000] [--vocabulary 40000]

RUN gets the folders that `scripts/bench_search.py` and `scripts/bench_training.py` read: codes, sequences,
vocabulary and model. With `--like` codes and sequences are those of the run OTHER. Without it they are made
up: items in families that share codes, users who buy inside a few families. The vocabulary is trained on
these histories; the model has the shape of the preset `paper` unless told otherwise, and the weights that a
training would start from.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import Codes, Sequences
from clairo.codes.disambiguation import disambiguate
from clairo.model import network, saved
from clairo.rng import generator
from clairo.tokens import n_model_ids
from clairo.vocabulary import FILE, Vocabulary

_CATEGORIES, _VALUES, _LAST = 8, 256, 256
_FAMILY = 25  # items of one family, which share half of their codes or so


def main() -> None:
    """Write the run and print what it holds."""
    options = _options()
    if options.like is None:
        codes = made_up_codes(options.items, options.seed)
        sequences = made_up_sequences(codes, options.users, options.seed)
    else:
        codes = first_categories(Codes.load(options.like / "codes"), options.categories)
        sequences = Sequences.load(options.like / "sequences")
    words = train_vocabulary(codes, sequences, options.vocabulary)
    model = network.build(
        n_model_ids=n_model_ids(words),
        layers=options.layers,
        d_model=options.d_model,
        d_ff=options.d_ff,
        heads=options.heads,
        d_kv=options.d_kv,
        dropout=0.1,
        seed=options.seed,
    )
    meta = saved.Meta(
        vocabulary_size=len(words),
        categories=codes.names,
        max_history=options.max_history,
        parameters=sum(weights.numel() for weights in model.parameters()),
        examples=0,
        epochs=0,
        best_epoch=0,
        validation={},
    )
    for folder in ("codes", "sequences", "vocabulary", "model"):
        (options.run / folder).mkdir(parents=True, exist_ok=True)
    codes.save(options.run / "codes")
    sequences.save(options.run / "sequences")
    words.save(options.run / "vocabulary" / FILE)
    saved.save(options.run / "model", model, meta)
    print(f"{len(codes.ids)} items, {sequences.n_users} users, {words}: {options.run}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path, help="the folder to write")
    parser.add_argument("--like", type=Path, default=None, help="a run to take codes and sequences from")
    parser.add_argument("--categories", type=int, default=None, help="with --like: only so many of its codes")
    parser.add_argument("--items", type=int, default=6250)
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--vocabulary", type=int, default=40_000)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--d-model", type=int, default=128)
    parser.add_argument("--d-ff", type=int, default=1024)
    parser.add_argument("--heads", type=int, default=6)
    parser.add_argument("--d-kv", type=int, default=64)
    parser.add_argument("--max-history", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def first_categories(codes: Codes, n: int | None) -> Codes:
    """The first `n` categories of `codes`, told apart by a last one of their own; all for None."""
    if n is None:
        return codes
    kept = codes.features[:, :n]
    rng = generator(0, "first categories", n)
    features = np.column_stack([kept, disambiguate(kept, "sequential", values=_LAST, generator=rng)])
    names, sizes = [*codes.names[:n], codes.names[-1]], [*codes.cardinalities[:n], _LAST]
    return Codes(codes.ids, features.astype(np.uint32), names, sizes)


def train_vocabulary(codes: Codes, sequences: Sequences, size: int) -> Vocabulary:
    """A vocabulary of `size` tokens, learned on the training histories."""
    return Vocabulary.train(
        codes.features, *sequences.training(), size=size, cardinalities=codes.cardinalities
    )


def made_up_codes(n: int, seed: int) -> Codes:
    """Codes of `n` items: each takes its family's value in about half of the categories."""
    rng = generator(seed, "made-up items", n)
    family = np.arange(n) // _FAMILY
    theirs = rng.integers(_VALUES, size=(int(family[-1]) + 1, _CATEGORIES))[family]
    codes = np.where(rng.random((n, _CATEGORIES)) < 0.5, theirs, rng.integers(_VALUES, size=(n, _CATEGORIES)))
    last = disambiguate(codes, "sequential", values=_LAST, generator=rng)
    features = np.column_stack([codes, last]).astype(np.uint32)
    names = [*(f"code {number + 1}" for number in range(_CATEGORIES)), "disambiguation"]
    ids = np.array([f"i{item}" for item in range(n)])
    return Codes(ids, features, names, [_VALUES] * _CATEGORIES + [_LAST])


def made_up_sequences(codes: Codes, users: int, seed: int) -> Sequences:
    """Histories of 5 events and more, 9 on average, of which the last two are validation and test target."""
    rng = generator(seed, "made-up users", users)
    n = len(codes.ids)
    lengths = 4 + rng.geometric(0.2, users)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    user = np.repeat(np.arange(users), lengths)
    favourite = rng.integers(n, size=(users, 3))[user, rng.integers(3, size=len(user))]
    events = np.minimum(favourite // _FAMILY * _FAMILY + rng.integers(_FAMILY, size=len(user)), n - 1)
    names = np.array([f"u{number}" for number in range(users)])
    return Sequences(
        items=codes.ids,
        users=names,
        offsets=offsets,
        events=events.astype(np.uint32),
        times=np.full(len(events), -1),
        train_end=lengths - 2,
        validation=lengths - 2,
        test=lengths - 1,
        ties=np.zeros(users, dtype=np.bool_),
        max_history=50,
    )


def random_items(features: NDArray[np.uint32], n: int, seed: int) -> NDArray[np.int64]:
    """`n` items, codes drawn one by one from the columns of `features`, told apart by the last."""
    rng = generator(seed, "random items", n)
    codes = np.column_stack([rng.choice(column, n) for column in features.T[:-1]])
    return np.column_stack([codes, disambiguate(codes, "sequential", values=_LAST, generator=rng)])


if __name__ == "__main__":
    main()

"""Writes a corpus for the training of vocabularies: a run's histories, or synthetic users who buy like them.

    clairo run mql4grec-instruments --data FOLDER --out runs/instruments --until codes
    python scripts/markov_corpus.py runs/instruments corpus.npz [--times 10] [--seed 0]

Without `--times` the training histories are written as they are. With `--times N` there are N times as many
users. Each draws a length from those of the real histories and walks a first-order Markov chain with their
transition counts: the first item as often as histories begin with it, each next one as often as it follows
the one before. After an item that nothing follows the walk goes on from a first item. The items and their
codes are the run's own. The file holds three int64 arrays, as `Vocabulary.train` takes them: features
(n_items, n_categories), offsets (n_histories + 1,), events (n_events,).
"""

import argparse
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import Codes, Sequences, npz
from clairo.rng import generator

Histories: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]


def main() -> None:
    """Write the file and print what it holds."""
    options = _options()
    codes, (offsets, events) = Codes.load(options.run / "codes"), _training(options.run)
    if options.times is not None:
        rng = generator(options.seed, "markov corpus", options.times)
        offsets, events = synthetic(offsets, events, users=options.times * (len(offsets) - 1), rng=rng)
    arrays: dict[str, NDArray[Any]] = {
        "features": codes.features.astype(np.int64),
        "offsets": offsets,
        "events": events,
    }
    npz.write(options.out, arrays)
    print(
        f"{len(offsets) - 1} histories, {len(events)} events, {codes.features.shape} features: {options.out}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path, help="a run folder with sequences and codes")
    parser.add_argument("out", type=Path, help="the file to write, .npz")
    parser.add_argument(
        "--times", type=int, default=None, help="real users a synthetic user; none: the real ones"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.times is not None and options.times < 1:
        parser.error("--times must be at least 1")
    return options


def _training(run: Path) -> Histories:
    """Offsets and events of the histories that are not empty."""
    offsets, events = Sequences.load(run / "sequences").training()
    if not len(events):
        raise SystemExit(f"{run} has no training events")
    return np.unique(offsets), events.astype(np.int64)


def synthetic(
    offsets: NDArray[np.int64], events: NDArray[np.int64], *, users: int, rng: np.random.Generator
) -> Histories:
    """Histories of `users` synthetic users.

    Args:
        offsets: (n_histories + 1,) int64 of the real histories, none of which is empty.
        events: (n_events,) int64 of theirs.
        users: how many to make.
        rng: where all chance comes from.

    Returns:
        Offsets (users + 1,) int64 and events int64.
    """
    lengths = rng.choice(np.diff(offsets), users)
    made = np.concatenate([[0], np.cumsum(lengths)])
    walked = np.empty(made[-1], dtype=np.int64)
    first = events[offsets[:-1]]
    starts, followers = _followers(offsets, events)
    # The longest first: those who still walk at a step are then the beginning of every array.
    places = made[:-1][np.argsort(-lengths, kind="stable")]
    walking = users - np.cumsum(np.bincount(lengths))
    item = rng.choice(first, users)
    for step in range(len(walking) - 1):
        walked[places[: walking[step]] + step] = item[: walking[step]]
        item = _step(item[: walking[step + 1]], starts, followers, first, rng)
    return made, walked


def _followers(offsets: NDArray[np.int64], events: NDArray[np.int64]) -> Histories:
    """`starts` and `followers`: item i is followed by `followers[starts[i]:starts[i + 1]]`, repeats kept."""
    within = np.ones(len(events), dtype=np.bool_)
    within[offsets[:-1]] = False
    following = np.flatnonzero(within)
    before = events[following - 1]
    starts = np.concatenate([[0], np.cumsum(np.bincount(before, minlength=int(events.max()) + 1))])
    return starts, events[following[np.argsort(before, kind="stable")]]


def _step(
    item: NDArray[np.int64],
    starts: NDArray[np.int64],
    followers: NDArray[np.int64],
    first: NDArray[np.int64],
    rng: np.random.Generator,
) -> NDArray[np.int64]:
    """One step of every walk."""
    n_followers = starts[item + 1] - starts[item]
    drawn = starts[item] + rng.integers(0, np.maximum(n_followers, 1))
    fresh = rng.choice(first, len(item))
    # An item without followers may be the last, whose place lies behind all followers.
    return np.where(n_followers > 0, followers[np.minimum(drawn, len(followers) - 1)], fresh)


if __name__ == "__main__":
    main()

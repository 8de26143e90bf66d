"""Times the encoders of a vocabulary of 40,000 tokens and prints one table.

    python scripts/markov_corpus.py RUN corpus.npz [--times 10]
    python scripts/bench_encoding.py corpus.npz [--repeats 9] [--items 1000000] [--out FILE.json]

The corpus is a file of `scripts/markov_corpus.py`. Histories are encoded whole, through Python, copies and
checks included. Canonical tokens and the trie are those of `--items` made-up items, whose codes are drawn one
by one from the real items' columns, with a last code that tells equal ones apart. Medians over the repeats,
with the least and the most in brackets, on one thread and on all cores in turns.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo import Vocabulary
from clairo.codes.disambiguation import disambiguate
from clairo.tokens import Trie

_SIZE = 40_000


def main() -> None:
    """Measure, print the table, and write JSON."""
    options = _options()
    with np.load(options.corpus) as file:
        features, offsets, events = file["features"], file["offsets"], file["events"]
    many = _made_up(features, options.items)
    vocabulary = Vocabulary.train(
        features, offsets, events, size=_SIZE, cardinalities=np.maximum(many.max(0), features.max(0)) + 1
    )
    if len(vocabulary) < _SIZE or vocabulary.n_initial * 2 > _SIZE:
        raise SystemExit(f"{vocabulary}: too few merges to say anything")
    n_events = len(events)
    jobs: dict[str, tuple[int, Callable[[int], object]]] = {
        "encode, permuted": (
            n_events,
            lambda threads: vocabulary.encode(features, offsets, events, threads=threads),
        ),
        "encode, deterministic": (
            n_events,
            lambda threads: vocabulary.encode_deterministic(features, offsets, events, threads=threads),
        ),
        "canonical": (len(many), lambda threads: vocabulary.canonical(many, threads=threads)),
    }
    rows = [row for what, job in jobs.items() for row in _measured(what, *job, options.repeats)]
    canonical = vocabulary.canonical(many)
    rows += _measured(
        "trie", len(many), lambda _threads: Trie.build(*canonical), options.repeats, threads=[1]
    )
    options.out.write_text(json.dumps({"size": _SIZE, "rows": rows}, indent=2) + "\n", "utf-8")
    print(f"written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=Path("bench_encoding.json"))
    return parser.parse_args()


def _made_up(features: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(0)
    codes = np.column_stack([rng.choice(column, n) for column in features.T[:-1]])
    return np.column_stack([codes, disambiguate(codes, "sequential", values=256, generator=rng)])


def _measured(
    what: str, amount: int, job: Callable[[int], object], repeats: int, threads: list[int] | None = None
) -> list[dict[str, Any]]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    seconds: dict[int, list[float]] = {n: [] for n in threads or sorted({1, cores})}
    for _ in range(repeats):
        for n, took in seconds.items():
            start = time.perf_counter()
            job(n)
            took.append(time.perf_counter() - start)
    rows = []
    for n, took in seconds.items():
        middle = median(took)
        print(
            f"{what:<22} {n} threads {amount:>9} rows {middle:8.3f} s [{min(took):.3f}, {max(took):.3f}] "
            f"{amount / middle / 1e6:7.2f} million a second"
        )
        rows.append({"what": what, "threads": n, "rows": amount, "seconds": took})
    return rows


if __name__ == "__main__":
    main()

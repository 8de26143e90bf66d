"""Trains one vocabulary in this process and prints one line of JSON: seconds, memory, and what came out.

    python scripts/measure_training.py corpus.npz [--size 40000] [--threads 1] [--plain]

The corpus is a file of `scripts/markov_corpus.py`. The seconds are those of the whole training, the first
count included, reading the file not. Memory is in bytes: `peak` of the whole process, interpreter and corpus
included, and `peak_above` what the training added to that. Where the system cannot forget an earlier peak
(anywhere but on Linux), `peak_above` can be too small.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from clairo import _clairo
from machine import peak as peak_memory
from machine import resident


def main() -> None:
    """Train, and print what it took."""
    options = _options()
    with np.load(options.corpus) as file:
        corpus = (file["features"], file["offsets"], file["events"])
    before = resident()
    wall, cpu = time.perf_counter(), time.process_time()
    vocabulary = _clairo.Vocabulary.train(
        *corpus, options.size, None, options.threads, None, plain=options.plain
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = peak_memory()
    facts = _facts(vocabulary, *corpus)
    print(json.dumps({"seconds": wall, "cpu": cpu, "peak": peak, "peak_above": peak - before, **facts}))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--size", type=int, default=40_000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="train by the readable twin")
    return parser.parse_args()


def _facts(vocabulary: _clairo.Vocabulary, features: Any, offsets: Any, events: Any) -> dict[str, Any]:
    """What came out. Every join makes one token of two, so their number tells how many tokens are left."""
    joined = vocabulary.joined
    if joined is None:
        raise RuntimeError("a trained vocabulary counts its joins")
    made = sum(int(counts.sum()) for counts in joined)
    exact = (vocabulary.merges.tobytes(), repr(vocabulary.counts).encode(), *(it.tobytes() for it in joined))
    return {
        "categories": features.shape[1],
        "histories": len(offsets) - 1,
        "events": len(events),
        "vocabulary": len(vocabulary),
        "features": len(events) * features.shape[1],
        "tokens_left": len(events) * features.shape[1] - made,
        "digest": hashlib.sha256(b"".join(exact)).hexdigest(),
    }


if __name__ == "__main__":
    main()

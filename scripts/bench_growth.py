"""Times how search and training grow with the vocabulary, the catalogue and the histories.

    python scripts/bench_growth.py RUN [--users 3] [--repeats 3] [--clock processor] [--full]
                                       [--out FILE.json]

RUN is one as for `scripts/bench_search.py`. Its vocabulary is trained to other sizes, its catalogue filled up
with random items, its histories strung together; weights are random where the shape changes. Search: trie and
vocabulary normalised, `--users` at once. Training: steps of the trainer over the trie with bfloat16, 64
examples each, in parts of 16 where histories are longer than 50 events (`model.accumulate`).

Each point has a process of its own: `MB before` is what that holds when model, vocabulary and codes are
there, `MB more` the peak of building the trie and searching, or of training, above it. Medians over the
repeats, on one thread. `--clock processor` counts processor time: what a quiet core would take, and the right
one where other work shares it.
"""

import argparse
import json
import subprocess
import sys
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bench_search import Run, in_turns, parser_of, search_of
from bench_training import Watched, steps_of
from clairo.model import network
from clairo.model.examples import Batches, Examples
from clairo.model.loss import TrieLoss
from clairo.rivals.histories import Histories
from clairo.tokens import Trie, n_model_ids
from clairo.vocabulary import Vocabulary
from machine import CLOCKS, machine, peak, resident
from synthetic_run import random_items, train_vocabulary

_POINTS = {
    "vocabulary": (10_000, 20_000, 40_000, 100_000),
    "items": (1_000, 10_000, 100_000, 1_000_000),
    "history events": (10, 50, 100, 200),
}  # the least and the most of each, all with --full
_BATCH = 64
_PART = 16  # examples at once, of histories with more events than _LONG
_LONG = 50


def main() -> None:
    """Measure, print the table, and write JSON."""
    options = _options()
    torch.set_num_threads(1)
    if options.point:
        what, axis, size = options.point.split(":")
        print(json.dumps(_WHAT[what](Run.load(options.run), axis, int(size), options)))
        return
    before = machine()
    print(f"{before['cpu']}, one thread, load {before['load']}; torch {torch.__version__}")
    heads = f"{'ms a user, trie':>16}{'vocabulary':>12}{'s a step':>10}{'MB before':>11}{'MB more':>9}"
    print(f"\n{'':<28}{heads}")
    rows = []
    for axis, sizes in _POINTS.items():
        for size in sizes if options.full else (sizes[0], sizes[-1]):
            found = {what: _asked(options, f"{what}:{axis}:{size}") for what in _WHAT}
            rows.append({"axis": axis, "size": size, **found})
            search, training = found["search"], found["training"]
            print(
                f"{axis:<18}{size:>10,}{search['ms']['trie']:>16.1f}{search['ms']['vocabulary']:>12.1f}"
                f"{'':>10}{search['before_mb']:>11.0f}{search['more_mb']:>9.0f}"
            )
            print(
                f"{'':<56}{training['s']:>10.3f}{training['before_mb']:>11.0f}{training['more_mb']:>9.0f}",
                flush=True,
            )
    report: dict[str, Any] = {"before": before, "run": str(options.run), "rows": rows, "after": machine()}
    options.out.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    print(f"written to {options.out}")


def _options() -> argparse.Namespace:
    parser = parser_of(__doc__, "bench_growth.json")
    parser.add_argument("--full", action="store_true", help="every size, not just the least and the most")
    parser.add_argument("--point", default="", help=argparse.SUPPRESS)  # WHAT:AXIS:SIZE, printed as JSON
    return parser.parse_args()


def _asked(options: argparse.Namespace, point: str) -> dict[str, Any]:
    """One point, from a process of its own: peak memory is that point's alone."""
    names = ("users", "repeats", "beams", "views", "seed", "clock")
    words = [word for name in names for word in (f"--{name}", str(getattr(options, name)))]
    command = [sys.executable, __file__, str(options.run), "--point", point, *words]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def _searched(run: Run, axis: str, size: int, options: argparse.Namespace) -> dict[str, Any]:
    words, features, model, users = _grown(run, axis, size, options.users, options.seed)
    held, took = resident(), {}
    for normalise in ("trie", "vocabulary"):
        search = search_of(words, features, model, options, normalise, int(users.lengths.max()))
        search.rank(users.take(np.arange(1)))
        seconds = in_turns({"": partial(search.rank, users)}, options)[""]
        took[normalise] = 1000 * median(seconds) / len(users)
    return {"ms": took, "before_mb": held / 1e6, "more_mb": (peak() - held) / 1e6}


def _trained(run: Run, axis: str, size: int, options: argparse.Namespace) -> dict[str, Any]:
    n = _BATCH * (options.repeats + 1)  # the first step does not count
    words, features, model, users = _grown(run, axis, size, n, options.seed)
    held = resident()
    targets = np.random.default_rng(options.seed).integers(len(features), size=n)
    events = np.insert(users.events, users.offsets[1:], targets).astype(np.uint32)
    last = users.offsets[1:] + np.arange(n)
    examples = Examples(events, last - users.lengths, last)
    batches = Batches(examples, words, features.astype(np.uint32), batch_size=_BATCH, seed=options.seed)
    watched = Watched(lambda: batches.of_epoch(0), batches, CLOCKS[options.clock])
    loss = TrieLoss(Trie.build(*words.canonical(features)), 0.0)
    parts = _BATCH // _PART if int(users.lengths.max()) > _LONG else 1
    took = steps_of(model, watched, loss, "bf16", accumulate=parts).took
    return {"s": median(took[1:]), "before_mb": held / 1e6, "more_mb": (peak() - held) / 1e6}


_WHAT = {"search": _searched, "training": _trained}


def _grown(
    run: Run, axis: str, size: int, n_users: int, seed: int
) -> tuple[Vocabulary, NDArray[Any], Any, Histories]:
    """Vocabulary, codes, model and histories of a point."""
    users = run.histories(n_users, seed)
    if axis == "history events":
        return run.words, run.codes.features, run.model, _strung(run, n_users, size)
    if axis == "vocabulary":
        words = train_vocabulary(run.codes, run.sequences, size)
        return words, run.codes.features, _random_model(run, n_model_ids(words)), users
    features = random_items(run.codes.features, size, seed)
    limits = np.maximum(features.max(0) + 1, run.codes.cardinalities).tolist()
    words = Vocabulary.train(
        run.codes.features, *run.sequences.training(), size=len(run.words), cardinalities=limits
    )
    users = Histories(users.offsets, users.events % size)
    return words, features, _random_model(run, n_model_ids(words)), users


def _random_model(run: Run, n_ids: int) -> Any:
    """The run's shape with as many ids as wanted."""
    config = run.model.config
    return network.build(
        n_model_ids=n_ids,
        layers=config.num_layers,
        d_model=config.d_model,
        d_ff=config.d_ff,
        heads=config.num_heads,
        d_kv=config.d_kv,
        dropout=0.1,
        seed=0,
    ).eval()


def _strung(run: Run, users: int, length: int) -> Histories:
    """Histories of exactly so many events: the test histories one behind the other, cut."""
    _, events = run.sequences.input_history("test")
    events = np.resize(events, users * length)
    return Histories(np.arange(users + 1) * length, events)


if __name__ == "__main__":
    main()

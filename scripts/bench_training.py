"""Times training steps of a run's model beside a plain loop, and lays their losses on each other.

    python scripts/bench_training.py RUN [--steps 10] [--repeats 3] [--events 10] [--clock processor]
                                         [--quick | --full] [--out FILE.json]

RUN needs codes, sequences, vocabulary and model; `scripts/synthetic_run.py` makes one with random weights.
Steps are timed in turns, data loading included, each way's first step left out:

- plain (`scripts/slow_training.py`): transformers' T5 in float32, tokens by Python in the collate function;
- ours: the trainer of the model stage over the same examples, in float32 and under bfloat16, with the loss
  over the vocabulary (the plain loop's) and over the trie (another);
- and once more, fastest way, with whole actions in the place of tokens (another model, `model.reads`).

Examples have histories of `--events` events, so that inputs are about 40 tokens long and neither side pads
much. With `--events 0` they are as they come, up to `--max-history` events: the plain loop pads batches drawn
at random, ours has batches of like length.

Then loading: steps of the fastest way over the same batches, made beside the training and made before the
clock starts, in turns; how long a step waits for its batch; and what it costs to make a batch alone, which
is the most that a step could ever wait. Then the losses of the plain loop and of ours from the run's weights
over the same batches, without dropout.

A pass counts as the median of its steps, or with `--events 0`, where steps differ much, as their mean;
printed are medians over passes with the least and the most, on one thread. `--clock processor` counts
processor time, of all threads together: what a quiet core would take, and the right one where other work
shares it.
"""

import argparse
import copy
import json
import tempfile
import time
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from clairo.artifacts import Codes, Sequences
from clairo.model import saved
from clairo.model.checkpoint import Checkpoints
from clairo.model.examples import Batch, Batches, Examples
from clairo.model.group import Group
from clairo.model.loss import TrieLoss, VocabularyLoss
from clairo.model.matmul import fast_float32
from clairo.model.network import Teacher, parameter_groups
from clairo.model.tracking import Track
from clairo.model.train import Trainer, make_accelerator
from clairo.tokens import PERMUTED, Reading, Trie
from clairo.vocabulary import FILE, Vocabulary
from machine import CLOCKS, machine, shown, spread
from slow_training import Collate, train

# Measured elsewhere on one core, 40,000 tokens, batch 64, 40 input tokens: seconds a step.
_REFERENCE = 0.74
_RATE = 0.001
_LOADED = 31  # batches by which steps with and without loading are told apart; the first does not count


class Watched:
    """Batches as a trainer reads them, with a look at the clock between any two.

    Attributes:
        took: seconds from asking for each batch to asking for the next, by `clock`.
        waited: seconds from asking for each batch to having it, by the clock on the wall.
    """

    def __init__(
        self,
        source: Callable[[], Iterable[Any]],
        batches: Batches,
        clock: Callable[[], float],
    ) -> None:
        self.batch_size, self.per_epoch = batches.batch_size, batches.per_epoch
        self.took, self.waited = list[float](), list[float]()
        self._source, self._clock = source, clock

    def of_epoch(self, _epoch: int, _first: int = 0) -> Generator[Any]:
        """All of them, in every epoch the same."""
        batches = iter(self._source())
        while True:
            start, asked = self._clock(), time.perf_counter()
            batch = next(batches, None)
            if batch is None:
                return
            self.waited.append(time.perf_counter() - asked)
            yield batch
            self.took.append(self._clock() - start)


def main() -> None:
    """Measure, print the table, and write JSON."""
    options = _options()
    torch.set_num_threads(1)
    before = machine()
    model, _ = saved.load(options.run / "model", "cpu")
    words = Vocabulary.load(options.run / "vocabulary" / FILE)
    codes, sequences = Codes.load(options.run / "codes"), Sequences.load(options.run / "sequences")
    n = (options.steps + 1) * options.batch_size
    examples = _examples(sequences, n, options)
    batches = _batches(examples, words, codes, options)
    actions = _batches(examples, words, codes, options, Reading(whole=True))
    print(f"{before['cpu']}, one thread, load {before['load']}; torch {torch.__version__}; {words}")
    result: dict[str, Any] = {"before": before, "run": str(options.run), "options": _told(options)}
    data = _plain_data(words, codes, examples, options.batch_size)
    result["sizes"] = _sizes(batches, data)
    result["rows"] = _timed(_ways(model, words, codes, batches, actions, data, options), options)
    more = _examples(sequences, _LOADED * options.batch_size, options)
    batches = _batches(more, words, codes, options)
    result["loading"] = _loading(model, words, codes, batches, options)
    result["losses"] = _losses(model, batches, options)
    options.out.write_text(json.dumps({**result, "after": machine()}, indent=2) + "\n", "utf-8")
    print(f"written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", type=int, default=10, help="timed at a time")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--events", type=int, default=10, help="in every history; 0: as they come")
    parser.add_argument("--max-history", type=int, default=20, help="with --events 0")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("bench_training.json"))
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="losses over 10 steps")
    size.add_argument("--full", action="store_true", help="losses over 300 steps, else 30")
    return parser.parse_args()


def _told(options: argparse.Namespace) -> dict[str, Any]:
    return {name: value for name, value in vars(options).items() if not isinstance(value, Path)}


def _examples(sequences: Sequences, n: int, options: argparse.Namespace) -> Examples:
    """`n` examples drawn at random, or as many as there are."""
    every = Examples.of(*sequences.training(), options.events or options.max_history)
    right = np.flatnonzero(every.target - every.start >= options.events)
    if len(right) < 2 * options.batch_size:
        raise SystemExit(
            f"{options.run} has {len(right)} examples of {options.events} events: lower --events"
        )
    some = np.random.default_rng(options.seed).permutation(right)[:n]
    some = some[: len(some) // options.batch_size * options.batch_size]
    return Examples(every.events, every.start[some], every.target[some])


def _batches(
    examples: Examples,
    words: Vocabulary,
    codes: Codes,
    options: argparse.Namespace,
    reading: Reading = PERMUTED,
) -> Batches:
    size, seed = options.batch_size, options.seed
    return Batches(examples, words, codes.features, batch_size=size, seed=seed, reading=reading)


def _sizes(batches: Batches, data: Any) -> dict[str, float]:
    """Ids a row, padding included, and without it."""
    ours, plain = list(batches.of_epoch(0)), list(data)
    found = {
        "tokens": float(np.mean([batch.mask.sum(dim=1).float().mean() for batch in ours])),
        "ours": float(np.mean([batch.ids.shape[1] for batch in ours])),
        "plain": float(np.mean([ids.shape[1] for ids, _, _ in plain])),
        "target": float(np.mean([batch.labels.shape[1] for batch in ours])),
    }
    print(
        "an input has {tokens:.1f} ids on average; padded {plain:.1f} by the plain loop, {ours:.1f} by ours; "
        "a target {target:.1f}".format_map(found)
    )
    return found


def _ways(
    model: Any,
    words: Vocabulary,
    codes: Codes,
    batches: Batches,
    actions: Batches,
    data: Any,
    options: argparse.Namespace,
) -> dict[str, Callable[[], list[float]]]:
    """Each gives the seconds of its steps; `actions` are the batches with whole actions."""
    trie = TrieLoss(Trie.build(*words.canonical(codes.features)), 0.0)
    whole, clock = VocabularyLoss(0.0), CLOCKS[options.clock]

    def ours(loss: Any, precision: str, source: Batches = batches) -> list[float]:
        return steps_of(model, Watched(lambda: source.of_epoch(0), source, clock), loss, precision).took

    return {
        "plain": lambda: _plain(model, Watched(lambda: data, batches, clock)),
        "ours": lambda: ours(whole, "no"),
        "ours, bf16": lambda: ours(whole, "bf16"),
        "ours, trie": lambda: ours(trie, "no"),
        "ours, trie, bf16": lambda: ours(trie, "bf16"),
        "ours, trie, bf16, actions": lambda: ours(trie, "bf16", actions),
    }


def _plain_data(words: Vocabulary, codes: Codes, examples: Examples, batch_size: int) -> Any:
    tokens = {pair: token for token, pair in enumerate(words.initial_tokens, start=1)}
    items = [[tokens[pair] for pair in enumerate(row)] for row in codes.features.tolist()]
    flat, offsets = words.canonical(codes.features)
    targets = [part.tolist() for part in np.split(flat, offsets[1:-1].astype(np.int64))]
    collate = Collate([tuple(pair) for pair in words.merges.tolist()], words.n_initial, items, targets)
    rows = [
        (examples.events[start:stop].tolist(), int(examples.events[stop]))
        for start, stop in zip(examples.start, examples.target, strict=True)
    ]
    for history, _ in rows[:20]:
        flat_row = collate.permuted(history)
        if collate.encode(flat_row) != words.encode_flat(np.array(flat_row, dtype=np.uint32)).tolist():
            raise SystemExit("the plain tokenization and ours differ")
    data: Any = rows
    return DataLoader(data, batch_size=batch_size, shuffle=True, collate_fn=collate)


def _plain(model: Any, watched: Watched) -> list[float]:
    train(copy.deepcopy(model).train(), watched.of_epoch(0), learning_rate=_RATE)
    return watched.took


def steps_of(model: Any, watched: Watched, loss: Any, precision: str, *, accumulate: int = 1) -> Watched:
    """The trainer's first epoch."""
    read: Any = watched
    with tempfile.TemporaryDirectory() as folder:
        accelerator = make_accelerator("cpu", precision)
        trainer = Trainer(
            copy.deepcopy(model),
            read,
            loss,
            lambda _network: {"ndcg@10": 0.0},
            Checkpoints(Path(folder), {}),
            accelerator,
            Group(device=accelerator.device),
            Track(accelerator, {}, is_main=True),
            accumulate=accumulate,
            seed=0,
            epochs=1,
            learning_rate=_RATE,
            embedding_rate=1.0,
            weight_decay=0.1,
            warmup_steps=0,
            gradient_norm=1.0,
            patience=9,
            evaluate_every=9,
            checkpoint_minutes=60.0,
            max_minutes=None,
        )
        trainer.run()
    return watched


def _timed(ways: dict[str, Callable[[], list[float]]], options: argparse.Namespace) -> list[dict[str, Any]]:
    took: dict[str, list[float]] = {name: [] for name in ways}
    middle = median if options.events else mean
    for turn in range(options.repeats):
        for name in list(ways) if turn % 2 == 0 else reversed(list(ways)):
            took[name].append(middle(ways[name]()[1:]))
    print(f"\n{'':<30}{'s a step':>26}{'times plain':>24}   (elsewhere, plain: {_REFERENCE} s at 40 ids)")
    rows = []
    for name, seconds in took.items():
        ratios = spread([slow / fast for slow, fast in zip(took["plain"], seconds, strict=True)])
        rows.append({"way": name, "seconds": spread(seconds), "plain_to_this": ratios})
        print(f"{name:<30}{shown(spread(seconds), 4):>26}{shown(ratios):>24}")
    return rows


def _loading(
    model: Any, words: Vocabulary, codes: Codes, batches: Batches, options: argparse.Namespace
) -> dict[str, Any]:
    """Steps over the same batches, made beside the training and before it, in turns."""
    trie, clock = TrieLoss(Trie.build(*words.canonical(codes.features)), 0.0), CLOCKS[options.clock]
    made = list(batches.of_epoch(0))
    order = np.split(np.arange(len(made) * options.batch_size), len(made))
    sources: dict[str, Callable[[], Iterable[Batch]]] = {
        "loading": lambda: batches.of_epoch(0),
        "ready": lambda: made,
    }
    took: dict[str, list[list[float]]] = {name: [] for name in sources}
    waited = []
    for turn in range(options.repeats):
        for name in list(sources) if turn % 2 == 0 else reversed(list(sources)):
            watched = steps_of(model, Watched(sources[name], batches, clock), trie, "bf16")
            took[name].append(watched.took[1:])
            waited += watched.waited[1:] if name == "loading" else []
    loading, ready = (1000 * np.array(took[name]) for name in sources)
    apart = np.median(loading - ready, axis=1)
    found: dict[str, Any] = {
        "loading_ms": spread(np.median(loading, axis=1).tolist()),
        "ready_ms": spread(np.median(ready, axis=1).tolist()),
        "apart_ms": spread(apart.tolist()),
        "waited_us": 1e6 * median(waited),
        "alone_us": 1e6 * median(_alone(batches, order)),
    }
    found["step_to_alone"] = 1000 * found["ready_ms"]["median"] / found["alone_us"]
    print(f"\nours, trie, bf16, {loading.shape[1]} steps over the same batches, {options.repeats} times each")
    print(f"{'ms a step, batches made beside it':<36}{shown(found['loading_ms']):>26}")
    print(f"{'ms a step, batches ready':<36}{shown(found['ready_ms']):>26}")
    print(f"{'step by step, the first minus the second':<36}{shown(found['apart_ms']):>22}")
    print(
        "a step waits {waited_us:.0f} µs for its batch; to make one alone takes {alone_us:.0f} µs of "
        "processor time, 1/{step_to_alone:.0f} of a step".format_map(found)
    )
    return found


def _alone(batches: Batches, order: list[Any]) -> list[float]:
    """Seconds of processor time to permute, encode and pad a batch, with nothing beside it."""
    took = []
    for rows in order:
        start = time.thread_time()
        batches.batch(rows, 0)
        took.append(time.thread_time() - start)
    return took


def _losses(model: Any, batches: Batches, options: argparse.Namespace) -> dict[str, Any]:
    """Of the plain loop and of ours, from the same weights over the same batches, without dropout."""
    steps = 10 if options.quick else 300 if options.full else 30
    made = [batch for epoch in range(-(-steps // batches.per_epoch)) for batch in batches.of_epoch(epoch)]
    made = made[:steps]
    config = copy.deepcopy(model.config)
    config.dropout_rate = 0.0  # modules keep the rate that they were built with
    still = type(model)(config)
    still.load_state_dict(model.state_dict())
    curves = {
        "plain": train(
            copy.deepcopy(still).train(),
            ((b.ids, b.mask, b.labels.contiguous()) for b in made),
            learning_rate=_RATE,
        ),
        "ours": _curve(copy.deepcopy(still).train(), made, "no"),
        "ours, bf16": _curve(copy.deepcopy(still).train(), made, "bf16"),
    }
    found: dict[str, Any] = {"steps": len(made), "curves": curves, "apart": {}}
    print(f"\nlosses over {len(made)} steps: plain {curves['plain'][0]:.4f} to {curves['plain'][-1]:.4f}")
    for name in ("ours", "ours, bf16"):
        apart = np.abs(np.subtract(curves[name], curves["plain"]))
        found["apart"][name] = {"mean": float(apart.mean()), "most": float(apart.max())}
        print(f"{name:<12} to {curves[name][-1]:.4f}; apart {apart.mean():.5f}, at most {apart.max():.5f}")
    return found


def _curve(network: Any, made: list[Batch], precision: str) -> list[float]:
    accelerator = make_accelerator("cpu", precision)
    groups = [group | {"weight_decay": 0.1} for group in parameter_groups(network, 0.1)]  # as the plain loop
    teacher, optimizer = accelerator.prepare(
        Teacher(network, VocabularyLoss(0.0)), torch.optim.AdamW(groups, lr=_RATE, fused=True)
    )
    losses = []
    with fast_float32(accelerator.device):
        for batch in made:
            loss = teacher(batch.ids, batch.mask, batch.labels)
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    return losses


if __name__ == "__main__":
    main()

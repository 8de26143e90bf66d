"""Times training steps of a run's model beside a plain loop, and lays their losses on each other.

    python scripts/bench_training.py RUN [--steps 10] [--repeats 3] [--quick | --full] [--out FILE.json]

RUN needs codes, sequences, vocabulary and model; `scripts/synthetic_run.py` makes one with random weights.
Steps are timed in turns, data loading included:

- plain (`scripts/slow_training.py`): transformers' T5 in float32, tokens by Python in the collate function;
- ours: the trainer of the model stage over the same examples, in float32 and under bfloat16, with the loss
  over the vocabulary (the plain loop's) and over the trie (another);
- ours without data loading: the same batches, made before the clock starts.

Then the losses of the plain loop and of ours from the run's weights over the same batches, without dropout.
Medians over the repeats with the least and the most in brackets, on one thread.
"""

import argparse
import copy
import json
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from clairo import Vocabulary
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
from clairo.tokens import Trie
from machine import machine, shown, spread
from slow_training import Collate, train

# Measured elsewhere on one core, 40,000 tokens, batch 64, 40 input tokens: seconds a step.
_REFERENCE = 0.74
_RATE = 0.001


class Ready:
    """Batches that were made before anybody asks for them."""

    def __init__(self, batches: Batches) -> None:
        self.batch_size, self.per_epoch = batches.batch_size, batches.per_epoch
        self._made = list(batches.of_epoch(0))

    def of_epoch(self, _epoch: int, first: int = 0) -> Generator[Batch]:
        """The same in every epoch."""
        yield from self._made[first:]


def main() -> None:
    """Measure, print the table, and write JSON."""
    options = _options()
    torch.set_num_threads(1)
    before = machine()
    model, _ = saved.load(options.run / "model", "cpu")
    words = Vocabulary.load(options.run / "vocabulary" / "vocabulary.json")
    codes, sequences = Codes.load(options.run / "codes"), Sequences.load(options.run / "sequences")
    every = Examples.of(*sequences.training(), options.max_history)
    n = options.steps * options.batch_size
    some = np.random.default_rng(options.seed).permutation(len(every))[:n]
    examples = Examples(every.events, every.start[some], every.target[some])
    batches = Batches(examples, words, codes.features, batch_size=options.batch_size, seed=options.seed)
    print(f"{before['cpu']}, one thread, load {before['load']}; torch {torch.__version__}; {words}")
    ways = _ways(model, words, codes, examples, batches, options)
    rows = _timed(ways, options)
    result: dict[str, Any] = {"before": before, "run": str(options.run), "rows": rows}
    result["losses"] = _losses(model, batches, options)
    options.out.write_text(json.dumps({**result, "after": machine()}, indent=2) + "\n", "utf-8")
    print(f"written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", type=int, default=10, help="timed at a time")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--max-history", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("bench_training.json"))
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="losses over 10 steps")
    size.add_argument("--full", action="store_true", help="losses over 300 steps, else 50")
    return parser.parse_args()


def _ways(
    model: Any,
    words: Vocabulary,
    codes: Codes,
    examples: Examples,
    batches: Batches,
    options: argparse.Namespace,
) -> dict[str, Callable[[], float]]:
    """Each gives its seconds a step."""
    trie = TrieLoss(Trie.build(*words.canonical(codes.features)), 0.0)
    whole = VocabularyLoss(0.0)
    made: Any = Ready(batches)
    data = _plain_data(words, codes, examples, options.batch_size)
    return {
        "plain": lambda: _plain(model, data),
        "ours": lambda: _ours(model, batches, whole, "no"),
        "ours, bf16": lambda: _ours(model, batches, whole, "bf16"),
        "ours, bf16, data ready": lambda: _ours(model, made, whole, "bf16"),
        "ours, trie": lambda: _ours(model, batches, trie, "no"),
        "ours, trie, bf16": lambda: _ours(model, batches, trie, "bf16"),
        "ours, trie, bf16, data ready": lambda: _ours(model, made, trie, "bf16"),
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


def _plain(model: Any, data: Any) -> float:
    network = copy.deepcopy(model).train()
    start = time.perf_counter()
    train(network, data, learning_rate=_RATE)
    return (time.perf_counter() - start) / len(data)


def _ours(model: Any, batches: Any, loss: Any, precision: str) -> float:
    """Seconds a step of the trainer's second epoch, in which everything is warm."""
    with tempfile.TemporaryDirectory() as folder:
        accelerator = make_accelerator("cpu", precision)
        trainer = Trainer(
            copy.deepcopy(model),
            batches,
            loss,
            lambda _network: {"ndcg@10": 0.0},
            Checkpoints(Path(folder), {}),
            accelerator,
            Group(device=accelerator.device),
            Track(accelerator, {}, is_main=True),
            accumulate=1,
            seed=0,
            epochs=2,
            learning_rate=_RATE,
            weight_decay=0.1,
            warmup_steps=0,
            gradient_norm=1.0,
            patience=9,
            evaluate_every=9,
            checkpoint_minutes=60.0,
            max_minutes=None,
        )
        trainer.run()
    last = trainer.progress.history[-1]
    return float(last["seconds"] / last["steps"])


def _timed(ways: dict[str, Callable[[], float]], options: argparse.Namespace) -> list[dict[str, Any]]:
    took: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(options.repeats):
        for name in list(ways) if turn % 2 == 0 else reversed(list(ways)):
            took[name].append(ways[name]())
    print(f"\n{'':<30}{'s a step':>26}{'times plain':>24}   (elsewhere, plain: {_REFERENCE} s)")
    rows = []
    for name, seconds in took.items():
        ratios = spread([slow / fast for slow, fast in zip(took["plain"], seconds, strict=True)])
        rows.append({"way": name, "seconds": spread(seconds), "plain_to_this": ratios})
        print(f"{name:<30}{shown(spread(seconds), 4):>26}{shown(ratios):>24}")
    return rows


def _losses(model: Any, batches: Batches, options: argparse.Namespace) -> dict[str, Any]:
    """Of the plain loop and of ours, from the same weights over the same batches, without dropout."""
    steps = 10 if options.quick else 300 if options.full else 50
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

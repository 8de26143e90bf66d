"""Times the search of a run beside two slower ways of doing it, and prints how it grows.

    python scripts/bench_search.py RUN [--users 3] [--repeats 3] [--clock processor] [--quick | --full]
                                       [--out FILE.json]

RUN needs codes, sequences, vocabulary and model; `scripts/synthetic_run.py` makes one with random weights.
All ways search the same users' test histories with the same weights, in turns:

- plain (`scripts/slow_search.py`): the input repeated for every beam, no cache, softmax over all ids;
- transformers: its own beam search with its cache, held to the trie;
- ours, normalised over the vocabulary (the plain way's scores) and over the trie (others), in float32 and
  with the weights in bfloat16; histories are encoded and views vote inside of the time.

The run stops unless plain and ours find the same items with the same scores; what transformers finds, whose
search is another (see there), is counted beside it. Then one user alone, as `Recommender.recommend` answers a
shop's page. Then growth: vocabularies trained on the run's histories, with random weights; catalogues of
random items; longer histories, strung together. Each of its points has a process of its own: `MB before` is
what that holds when model, vocabulary and codes are there, `MB more` the peak of building the trie and
searching above it.

Medians over the repeats with the least and the most in brackets, on one thread. `--clock processor` counts
processor time: what a quiet core would take, and the right one where other work shares it.
"""

import argparse
import copy
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clairo import Recommender
from clairo.artifacts import Codes, Sequences
from clairo.model import network, saved
from clairo.model.exact import ExactSearch
from clairo.model.search import BeamSearch
from clairo.recommendations.histories import Histories
from clairo.recommendations.search import Search, Settings
from clairo.tokens import Trie, encode_inputs, n_model_ids, targets
from clairo.vocabulary import FILE, Vocabulary
from machine import CLOCKS, machine, peak, resident, shown, spread
from slow_search import PrefixTree, plain_search, transformers_search
from synthetic_run import random_items, train_vocabulary

# Measured elsewhere on one core, 40,000 tokens and the trie of 6,250 items: milliseconds a user.
_REFERENCE = {
    "plain": 1340,
    "transformers": 690,
    "ours, vocabulary, bf16": 107,
    "ours, trie": 24,
}
_SLOWEST = 1.3  # a plain side slower than this many times the reference's would flatter every ratio
_POINTS = {
    "vocabulary": (10_000, 20_000, 40_000, 100_000),
    "items": (1_000, 10_000, 100_000, 1_000_000),
    "history events": (10, 50, 100, 200),
}  # the least and the most of each, all with --full
_TOLERANCE = 1e-3  # between log-probabilities of two ways of computing them


@dataclass(frozen=True)
class Run:
    """What the benchmark reads of a run."""

    folder: Path
    codes: Codes
    sequences: Sequences
    words: Vocabulary
    model: Any
    max_history: int

    @classmethod
    def load(cls, folder: Path) -> "Run":
        """Read it; the model on the CPU."""
        model, meta = saved.load(folder / "model", "cpu")
        words = Vocabulary.load(folder / "vocabulary" / FILE)
        meta.check(words)
        return cls(
            folder,
            Codes.load(folder / "codes"),
            Sequences.load(folder / "sequences"),
            words,
            model,
            meta.max_history,
        )

    def histories(self, n: int, seed: int) -> Histories:
        """Test histories of `n` users drawn at random, as the model reads them."""
        every = Histories.read(self.sequences, "test")
        every = every.take(np.flatnonzero(every.lengths > 0))
        return every.take(np.random.default_rng(seed).permutation(len(every))[:n]).latest(self.max_history)


def main() -> None:
    """Measure, print the tables, and write JSON."""
    options = _options()
    torch.set_num_threads(1)
    before, run = machine(), Run.load(options.run)
    if options.point:
        print(json.dumps(_point(run, *_axis_and_size(options.point), options)))
        return
    print(f"{before['cpu']}, one thread, load {before['load']}; torch {torch.__version__}")
    print(
        f"{run.words}, {len(run.codes.ids)} items, {sum(p.numel() for p in run.model.parameters())} weights"
    )
    result: dict[str, Any] = {"before": before, "run": str(options.run), **_compared(run, options)}
    result["one_user"] = _one_user(run, options)
    if not options.quick:
        result["growth"] = list(_growth(options))
    options.out.write_text(json.dumps({**result, "after": machine()}, indent=2) + "\n", "utf-8")
    print(f"written to {options.out}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--users", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--beams", type=int, default=50)
    parser.add_argument("--views", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--out", type=Path, default=Path("bench_search.json"))
    parser.add_argument("--point", default="", help=argparse.SUPPRESS)  # AXIS:SIZE, printed as JSON
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="no growth")
    size.add_argument("--full", action="store_true", help="every size, not just the least and the most")
    return parser.parse_args()


def _search(
    words: Vocabulary,
    features: NDArray[Any],
    model: Any,
    options: argparse.Namespace,
    normalise: Any,
    max_history: int,
) -> Search:
    """As the recommendations stage searches, all users at once."""
    encoder = words.encoder(features)
    trie = Trie.build(*encoder.canonical())
    return Search(
        find=BeamSearch(model, trie, beams=options.beams, normalise=normalise),
        vocabulary=words,
        encoder=encoder,
        trie=trie,
        features=features.astype(np.uint32),
        max_history=max_history,
        popular=np.arange(len(features)),
        settings=Settings(options.beams, options.views, normalise, max(options.users, 1), options.seed),
    )


def _compared(run: Run, options: argparse.Namespace) -> dict[str, Any]:
    """Every way in turns, their ratios to the plain one, and whether they agree."""
    users = run.histories(options.users, options.seed)
    ours = _ours(run, options)
    tree, inputs = _tree(run), _inputs(ours["ours, vocabulary"], users)
    ways: dict[str, Callable[[], object]] = {
        "plain": lambda: [plain_search(run.model, tree, *one, options.beams) for one in inputs],
        "transformers": lambda: [transformers_search(run.model, tree, *one, options.beams) for one in inputs],
        **{name: _ranking(search, users) for name, search in ours.items()},
    }
    checks = _agreement(run, ours["ours, vocabulary"].find, tree, inputs, options.beams)
    took = _in_turns(ways, options)
    rows = [_row(name, values, took["plain"], len(users)) for name, values in took.items()]
    print(f"\n{'':<26}{'ms a user':>26}{'times plain':>26}   measured elsewhere")
    for row in rows:
        ratio = shown(row["plain_to_this"], 1) if row["way"] != "plain" else ""
        print(f"{row['way']:<26}{shown(row['ms'], 1):>26}{ratio:>26}   {row['reference'] or ''}")
    if len(run.codes.ids) == 6250 and len(run.words) == 40_000:
        value = rows[0]["ms"]["median"] / _REFERENCE["plain"]
        verdict = "kept" if value <= _SLOWEST else "MISSED"
        checks.append({"what": "plain over the reference's", "value": value, "verdict": verdict})
    for check in checks:
        print("{what}: {value:.4g} ({verdict})".format_map(check))
    return {"users": len(users), "rows": rows, "checks": checks}


def _ours(run: Run, options: argparse.Namespace) -> dict[str, Search]:
    half = copy.deepcopy(run.model).bfloat16()
    found = {}
    for normalise in ("vocabulary", "trie"):
        search = _search(run.words, run.codes.features, run.model, options, normalise, run.max_history)
        found[f"ours, {normalise}"] = search
        beams = BeamSearch(half, search.trie, beams=options.beams, normalise=normalise)
        found[f"ours, {normalise}, bf16"] = replace(search, find=beams)
    return found


def _ranking(search: Search, users: Histories) -> Callable[[], object]:
    return lambda: search.rank(users)


def _tree(run: Run) -> PrefixTree:
    rows = targets(*run.words.canonical(run.codes.features))
    return PrefixTree([[token for token in row if token >= 0] for row in rows.tolist()])


def _inputs(search: Search, users: Histories) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What the encoder reads of each user: views in one batch."""
    inputs = []
    for user in range(len(users)):
        every = users.take(np.full(search.settings.views, user))
        ids, mask = encode_inputs(search.encoder, every.offsets, every.events, seed=search.settings.seed)
        inputs.append((torch.from_numpy(ids), torch.from_numpy(mask)))
    return inputs


def _agreement(
    run: Run,
    ours: BeamSearch | ExactSearch,
    tree: PrefixTree,
    inputs: list[tuple[torch.Tensor, torch.Tensor]],
    beams: int,
) -> list[dict[str, Any]]:
    """Plain and ours find the same, but for the order of scores that are as good as equal.

    What transformers finds is counted: its search is another.
    """
    worst, least, most, moved, shared, n = 0.0, 0.0, 0.0, 0, 0, 0
    for ids, mask in inputs[:2]:
        items, scores = plain_search(run.model, tree, ids, mask, beams)
        found, found_scores = ours(ids, mask)
        real = items >= 0
        gap = float((scores - found_scores)[real].abs().max())
        worst = max(worst, gap)
        moved += int((items != found).sum())
        if gap > _TOLERANCE or bool((items != found).any(dim=1).logical_and(_apart(scores)).any()):
            raise SystemExit("the plain search and ours find different items")
        theirs, their_scores = transformers_search(run.model, tree, ids, mask, beams)
        better = (their_scores - scores)[real]
        least, most = min(least, float(better.min())), max(most, float(better.max()))
        n += int(real.sum())
        shared += sum(len(set(a) & set(b)) for a, b in zip(items.tolist(), theirs.tolist(), strict=True))
    return [
        {"what": "largest difference of log-probabilities to plain", "value": worst, "verdict": "kept"},
        {"what": f"items in another place than plain's, of {n}", "value": moved, "verdict": "equal scores"},
        {"what": f"items of transformers' that are plain's, of {n}", "value": shared,
         "verdict": "another search"},
        {"what": "log-probability at a place, transformers' less plain's, at least", "value": least,
         "verdict": "below 0: found worse"},
        {"what": "the same, at most", "value": most, "verdict": "above 0: found better"},
    ]  # fmt: skip


def _apart(scores: torch.Tensor) -> torch.Tensor:
    """Rows in which all scores lie further apart than rounding could bring them out of order."""
    return ((scores[:, :-1] - scores[:, 1:]) > 2e-5).all(dim=1)


def _in_turns(ways: dict[str, Callable[[], object]], options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of each way, a list of one for each repeat; every other turn runs backwards."""
    clock, took = CLOCKS[options.clock], {name: list[float]() for name in ways}
    for turn in range(options.repeats):
        for name in list(ways) if turn % 2 == 0 else reversed(list(ways)):
            start = clock()
            ways[name]()
            took[name].append(clock() - start)
    return took


def _row(name: str, seconds: list[float], plain: list[float], users: int) -> dict[str, Any]:
    return {
        "way": name,
        "ms": spread([1000 * value / users for value in seconds]),
        "plain_to_this": spread([slow / fast for slow, fast in zip(plain, seconds, strict=True)]),
        "reference": _REFERENCE.get(name),
    }


def _one_user(run: Run, options: argparse.Namespace) -> dict[str, float]:
    """From a history of item ids to ten items with titles, one call after the other."""
    recommender = Recommender.load(run.folder, device="cpu")
    users = run.histories(options.users, options.seed)
    clock, took = CLOCKS[options.clock], list[float]()
    for turn in range(options.repeats + 1):
        for user in range(len(users)):
            history = [str(run.codes.ids[item]) for item in users[user]]
            start = clock()
            answer = recommender.recommend(history, k=10)
            [recommender.title(item) for item, _ in answer]
            if turn:  # the first turn reads the titles
                took.append(1000 * (clock() - start))
    found = {**spread(took), "p95": float(np.quantile(took, 0.95))}
    print(f"\none user alone, history to ten titles: {shown(found, 1)} ms, 95 % within {found['p95']:.1f} ms")
    return found


def _growth(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One axis after the other, each point in a process of its own: peak memory is that point's alone."""
    heads = f"{'ms, trie':>12}{'ms, vocabulary':>16}{'MB before':>11}{'MB more':>9}{'trie MB':>9}"
    print(f"\n{'':<28}{heads}")
    for axis, sizes in _POINTS.items():
        for size in sizes if options.full else (sizes[0], sizes[-1]):
            asked = {
                name: getattr(options, name)
                for name in ("users", "repeats", "beams", "views", "seed", "clock")
            }
            words = [word for name, value in asked.items() for word in (f"--{name}", str(value))]
            command = [sys.executable, __file__, str(options.run), "--point", f"{axis}:{size}", *words]
            said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            row = json.loads(said.splitlines()[-1])
            print(
                f"{axis:<18}{size:>10,}{row['ms']['trie']:>12.1f}{row['ms']['vocabulary']:>16.1f}"
                f"{row['before_mb']:>11.0f}{row['more_mb']:>9.0f}{row['trie_mb']:>9.1f}",
                flush=True,
            )
            yield row


def _grown(
    run: Run, axis: str, size: int, options: argparse.Namespace
) -> tuple[Vocabulary, NDArray[Any], Any, Histories]:
    """Vocabulary, codes, model and histories of a point."""
    users = run.histories(options.users, options.seed)
    if axis == "history events":
        return run.words, run.codes.features, run.model, _strung(run, options.users, size)
    if axis == "vocabulary":
        words = train_vocabulary(run.codes, run.sequences, size)
        return words, run.codes.features, _random_model(run, n_model_ids(words)), users
    features = random_items(run.codes.features, size, options.seed)
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


def _axis_and_size(point: str) -> tuple[str, int]:
    axis, _, size = point.partition(":")
    return axis, int(size)


def _point(run: Run, axis: str, size: int, options: argparse.Namespace) -> dict[str, Any]:
    words, features, model, users = _grown(run, axis, size, options)
    held, took = resident(), {}
    for normalise in ("trie", "vocabulary"):
        search = _search(words, features, model, options, normalise, int(users.lengths.max()))
        search.rank(users.take(np.arange(1)))
        seconds = _in_turns({"": _ranking(search, users)}, options)[""]
        took[normalise] = 1000 * median(seconds) / len(users)
    trie = search.trie
    arrays = (trie.child_start, trie.child_token, trie.leaf_item, trie.sole_item)
    return {
        "axis": axis,
        "size": size,
        "ms": took,
        "before_mb": held / 1e6,
        "more_mb": (peak() - held) / 1e6,
        "trie_mb": sum(array.nbytes for array in arrays) / 1e6,
    }


if __name__ == "__main__":
    main()

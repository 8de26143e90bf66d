"""Times the search of a run beside two slower ways of doing it.

    python scripts/bench_search.py RUN [--users 3] [--repeats 3] [--clock processor] [--out FILE.json]

RUN needs codes, sequences, vocabulary and model; `scripts/synthetic_run.py` makes one with random weights.
All ways search the same users' test histories with the same weights, in turns:

- plain (`scripts/slow_search.py`): the input repeated for every beam, no cache, softmax over all ids;
- transformers: its own beam search with its cache, held to the trie;
- ours, normalised over the vocabulary (the plain way's scores) and over the trie (others), in float32 and
  with the weights in bfloat16; histories are encoded and views vote inside of the time.

The run stops unless plain and ours find the same items with the same scores; what transformers finds, whose
search is another (see there), is counted beside it. Then one user alone, as `Recommender.recommend` answers a
shop's page. `scripts/bench_growth.py` says how the search grows.

Medians over the repeats with the least and the most in brackets, on one thread. `--clock processor` counts
processor time: what a quiet core would take, and the right one where other work shares it.
"""

import argparse
import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clairo import Recommender
from clairo.artifacts import Codes, Sequences
from clairo.model import saved
from clairo.model.exact import ExactSearch
from clairo.model.search import BeamSearch
from clairo.recommendations.search import Search, Settings
from clairo.rivals.histories import Histories
from clairo.tokens import Trie, encode_inputs, targets
from clairo.vocabulary import FILE, Vocabulary
from machine import CLOCKS, machine, shown, spread
from slow_search import PrefixTree, plain_search, transformers_search

# Measured elsewhere on one core, 40,000 tokens and the trie of 6,250 items: milliseconds a user.
_REFERENCE = {
    "plain": 1340,
    "transformers": 690,
    "ours, vocabulary, bf16": 107,
    "ours, trie": 24,
}
_SLOWEST = 1.3  # a plain side slower than this many times the reference's would flatter every ratio
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
    options = parser_of(__doc__, "bench_search.json").parse_args()
    torch.set_num_threads(1)
    before, run = machine(), Run.load(options.run)
    print(f"{before['cpu']}, one thread, load {before['load']}; torch {torch.__version__}")
    print(
        f"{run.words}, {len(run.codes.ids)} items, {sum(p.numel() for p in run.model.parameters())} weights"
    )
    result: dict[str, Any] = {"before": before, "run": str(options.run), **_compared(run, options)}
    result["one_user"] = _one_user(run, options)
    options.out.write_text(json.dumps({**result, "after": machine()}, indent=2) + "\n", "utf-8")
    print(f"written to {options.out}")


def parser_of(what: str | None, out: str) -> argparse.ArgumentParser:
    """The options of searches that are timed; `what` is a script's docstring, `out` where its JSON goes."""
    parser = argparse.ArgumentParser(description=(what or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--users", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--beams", type=int, default=50)
    parser.add_argument("--views", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--out", type=Path, default=Path(out))
    return parser


def search_of(
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
    took = in_turns(ways, options)
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
        search = search_of(run.words, run.codes.features, run.model, options, normalise, run.max_history)
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
        ids, mask = encode_inputs(
            search.encoder,
            every.offsets,
            every.events,
            seed=search.settings.seed,
            reading=search.reading,
        )
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


def in_turns(ways: dict[str, Callable[[], object]], options: argparse.Namespace) -> dict[str, list[float]]:
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


if __name__ == "__main__":
    main()

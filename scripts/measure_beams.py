"""How often the beam search finds what an exact search finds, and which ensemble of views wins.

    python scripts/measure_beams.py RUN [--users 200] [--beams 10,20,50,100] [--split test] [--out FILE.json]

RUN is a folder with a trained model; nothing in it is written. The users are a fixed sample of those with a
target in the split (validation if left out). For each number of beams, that of the run's settings among them,
and for the exact search there are three lists of ten: of one view, of the votes of all views, and of their
averaged probabilities. `same` is the share of users whose list is that of the exact search, order included;
`overlap` the mean share of the exact list's items that it has. Votes are compared with those of exact views
cut to as many items as there are beams, averages with the exact average. Items of the history are not held
back. Intervals are of 95 %, over users, and paired. Times are of searching all views of one user.
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clairo import log, metrics, rng
from clairo.artifacts import Sequences, store
from clairo.model import saved
from clairo.model.exact import ExactSearch
from clairo.model.search import BeamSearch
from clairo.recommendations.ensemble import Ranking, average, vote
from clairo.recommendations.recommender import Recommender
from clairo.recommendations.sample import Sample
from clairo.recommendations.search import Search

if TYPE_CHECKING:
    from collections.abc import Callable

K = 10
RESAMPLES = 2000
LISTS = ("view", "votes", "probabilities")


@dataclass(frozen=True)
class Found:
    """What a search found: items and scores (users, views, n), and milliseconds a user."""

    items: NDArray[np.int64]
    scores: NDArray[np.float64]
    ms: float

    def lists(self, kind: str, n: int) -> list[list[int]]:
        """The ten best items of each user, if each view gives its `n` best."""
        items, scores = self.items[:, :, :n], self.scores[:, :, :n]
        if kind == "view":
            return [row[row >= 0][:K].tolist() for row in items[:, 0]]
        join: Callable[..., Ranking] = vote if kind == "votes" else average
        return [join(*row).items[:K].tolist() for row in zip(items, scores, strict=True)]


def main() -> None:
    """Search, print the tables, and write JSON."""
    options = parse()
    log.setup("auto")
    search, sequences = load(options.run)
    network, _ = saved.load(options.run / "model")
    trie, normalise = search.trie, search.settings.normalise
    exact_search = ExactSearch(network, trie, beams=trie.n_items, normalise=normalise)
    sample = Sample.draw(sequences, options.split, size=options.users, seed=search.settings.seed)
    exact, found = run(replace(search, find=exact_search), sample, "exact"), {}
    for beams in sorted({*options.beams, search.settings.beams}):
        beam_search = BeamSearch(network, trie, beams=beams, normalise=normalise)
        found[beams] = run(replace(search, find=beam_search), sample, f"{beams} beams")
    result = {
        "run": options.run.name,
        "split": options.split,
        "users": len(sample.users),
        "of": sample.of,
        "items": trie.n_items,
        "views": search.settings.views,
        "evaluated_beams": search.settings.beams,
        "device": str(network.device),
        "exact_ms": exact.ms,
        "rows": rows(found, exact, sample),
        "ensembles": duels(found, exact, sample),
    }
    show(result)
    store.write_json(options.out, result)
    print(options.out)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument(
        "--beams", type=lambda text: [int(n) for n in text.split(",")], default=[10, 20, 50, 100]
    )
    parser.add_argument("--split", choices=("validation", "test"), default="validation")
    parser.add_argument("--out", type=Path, default=Path("beams.json"))
    return parser.parse_args()


def load(folder: Path) -> tuple[Search, Sequences]:
    """The run's search, with the settings that it was evaluated with, and its sequences."""
    sequences = Sequences.load(folder / "sequences")
    stages = {stage: folder / stage for stage in ("model", "vocabulary", "codes")}
    settings = Recommender.load(folder).settings
    return Search.load(**stages, sequences=sequences, settings=settings, device="auto"), sequences


def run(search: Search, sample: Sample, name: str) -> Found:
    """Search for all users, in batches as the evaluation makes them."""
    n, parts, seconds = len(sample.users), [], 0.0
    with log.step(f"search, {name}", total=n) as step:
        for batch in np.split(np.arange(n), range(search.settings.batch_size, n, search.settings.batch_size)):
            begun = time.perf_counter()
            parts.append(search.views(sample.read.take(batch)))
            seconds += time.perf_counter() - begun
            step.advance(len(batch))
    items, scores = (np.concatenate(kind) for kind in zip(*parts, strict=True))
    return Found(items, scores, 1000 * seconds / n)


def rows(found: dict[int, Found], exact: Found, sample: Sample) -> list[dict[str, Any]]:
    """A row for each list and number of beams, the exact search last."""
    table, n_items = [], exact.items.shape[2]
    for kind in LISTS:
        best = exact.lists(kind, n_items)
        for beams, one in found.items():
            like = exact.lists(kind, beams) if kind == "votes" else best
            table.append(
                {"list": kind, "beams": beams, **measure(one.lists(kind, beams), like, sample), "ms": one.ms}
            )
        if kind != "votes":  # exact votes depend on how many items vote: see the duels
            table.append({"list": kind, "beams": "exact", **measure(best, best, sample), "ms": exact.ms})
    return table


def measure(lists: list[list[int]], exact: list[list[int]], sample: Sample) -> dict[str, float]:
    """How like the exact lists they are, and how good."""
    pairs = list(zip(lists, exact, strict=True))
    values = metrics.summary(ranks(lists, sample), ks=(K,))
    return {
        "same": float(np.mean([one == other for one, other in pairs])),
        "overlap": float(np.mean([len(set(one) & set(other)) / len(other) for one, other in pairs])),
        **values,
    }


def duels(found: dict[int, Found], exact: Found, sample: Sample) -> list[dict[str, Any]]:
    """Averaged probabilities less votes, over the views of each number of beams and over exact views."""
    table = []
    for name, source, n in [
        *((f"{beams} beams", one, beams) for beams, one in found.items()),
        *((f"exact, {beams} vote", exact, beams) for beams in found),
    ]:
        whole = n if source is not exact else exact.items.shape[2]
        sides = {"votes": source.lists("votes", n), "probabilities": source.lists("probabilities", whole)}
        gains = {kind: gain(lists, sample) for kind, lists in sides.items()}
        difference = gains["probabilities"] - gains["votes"]
        low, high = interval(difference)
        table.append(
            {
                "views": name,
                "votes": float(gains["votes"].mean()),
                "probabilities": float(gains["probabilities"].mean()),
                "difference": float(difference.mean()),
                "low": low,
                "high": high,
            }
        )
    return table


def gain(lists: list[list[int]], sample: Sample) -> NDArray[np.float64]:
    """NDCG@10 of each user."""
    return metrics.ndcg(ranks(lists, sample), K)


def ranks(lists: list[list[int]], sample: Sample) -> NDArray[np.int64]:
    """Rank of each target in its list, from 0; lists may differ in length."""
    longest = max(map(len, lists))
    padded = np.array([[*one, *[-1] * (longest - len(one))] for one in lists])
    return metrics.rank_of(padded, sample.targets)


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % of the means of resampled users."""
    draws = rng.generator(0, "measure beams").integers(0, len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def show(result: dict[str, Any]) -> None:
    """Print both tables."""
    print("| list | beams | same top 10 | overlap@10 | recall@10 | ndcg@10 | ms a user |")
    print("|---|---|---|---|---|---|---|")
    for row in result["rows"]:
        values = " | ".join(f"{row[name]:.4f}" for name in ("same", "overlap", "recall@10", "ndcg@10"))
        print(f"| {row['list']} | {row['beams']} | {values} | {row['ms']:.0f} |")
    print("\n| ndcg@10 of views | votes | probabilities | difference |\n|---|---|---|---|")
    for row in result["ensembles"]:
        spread = f"{row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]"
        print(f"| {row['views']} | {row['votes']:.4f} | {row['probabilities']:.4f} | {spread} |")


if __name__ == "__main__":
    main()

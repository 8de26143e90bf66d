"""The model's pass over all users of a sample, in parts that survive an interruption."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo.artifacts import npz
from clairo.log import Step
from clairo.recommendations.ensemble import Ranking, complete
from clairo.recommendations.sample import Condition, Sample
from clairo.recommendations.search import Search
from clairo.rivals.histories import Histories
from clairo.rivals.lists import Lists

_PART_BATCHES = 2
"""Batches of users a part: what an interruption costs at most."""


@dataclass(frozen=True)
class Pass:
    """What the model recommends to the users of a sample.

    Attributes:
        lists: by name of the condition; rows are the users of the sample.
        filled: by name of the condition, (n_users,) int64: how many items of each list popularity gave.
        generated: (n_items,) int64, how many views of all users found each item.
        seconds: time that the search took, over all attempts.
        parts: files of the parts, in the order of the users.
    """

    lists: dict[str, Lists]
    filled: dict[str, NDArray[np.int64]]
    generated: NDArray[np.int64]
    seconds: float
    parts: list[Path]

    def found(self) -> Iterator[tuple[int, Histories]]:
        """All that was found, a part at a time: its first user, and the items of each user, best first."""
        start = 0
        for path in self.parts:
            arrays = npz.read(path, ("found.offsets", "found.items"))
            part = Histories(arrays["found.offsets"], arrays["found.items"])
            yield start, part
            start += len(part)


def search_all(search: Search, sample: Sample, *, k: int, folder: Path, step: Step) -> Pass:
    """Search for every user of the sample, or read what an earlier attempt left in `folder`.

    A part holds the same users in the same batches in every attempt, so an interruption leaves no trace in
    the lists. `k` must not be above the size of the catalogue.
    """
    size, paths = _PART_BATCHES * search.settings.batch_size, list[Path]()
    for start in range(0, len(sample.users), size):
        rows = np.arange(start, min(start + size, len(sample.users)))
        path = folder / f"{sample.split}-{rows[0]}-{rows[-1] + 1}.npz"
        if path.is_file():
            step.advance(len(rows))
        else:
            npz.write(path, _part(search, sample, rows, k, step))
        paths.append(path)
    return _joined(paths, search, sample, k)


def _names(sample: Sample) -> tuple[str, ...]:
    lists = [
        f"{condition.name}.{what}"
        for condition in sample.conditions
        for what in ("items", "scores", "filled")
    ]
    return (*lists, "generated", "seconds")


def _part(
    search: Search, sample: Sample, rows: NDArray[np.int64], k: int, step: Step
) -> dict[str, NDArray[Any]]:
    """The arrays of one part, by the names of `_names`."""
    rankings, seconds = _timed(search, sample.read.take(rows), step)
    generated = np.zeros(search.trie.n_items, dtype=np.int64)
    for ranking in rankings:
        generated[ranking.items] += ranking.views
    every = Histories.of([ranking.items.tolist() for ranking in rankings])
    arrays: dict[str, NDArray[Any]] = {"generated": generated, "seconds": np.array(seconds)}
    arrays |= {"found.offsets": every.offsets, "found.items": every.events}
    for condition in sample.conditions:
        arrays |= _lists(condition, rankings, sample.known.take(rows), search.popular, k)
    return arrays


def _timed(search: Search, histories: Histories, step: Step) -> tuple[list[Ranking], float]:
    rankings, start = list[Ranking](), time.perf_counter()
    for first in range(0, len(histories), search.settings.batch_size):
        batch = np.arange(first, min(first + search.settings.batch_size, len(histories)))
        rankings += search.rank(histories.take(batch))
        rate = len(rankings) / (time.perf_counter() - start)
        step.advance(len(batch), users_per_second=rate)
    return rankings, time.perf_counter() - start


def _lists(
    condition: Condition, rankings: list[Ranking], known: Histories, popular: NDArray[np.int64], k: int
) -> dict[str, NDArray[Any]]:
    lists, filled = Lists.empty(len(rankings), k), np.zeros(len(rankings), dtype=np.int64)
    for row, ranking in enumerate(rankings):
        held = known[row] if condition.masked else known[row][:0]
        items, scores, filled[row] = complete(ranking, popular, k, held)
        lists.items[row, : len(items)] = items
        lists.scores[row, : len(items)] = scores
    name = condition.name
    return {f"{name}.items": lists.items, f"{name}.scores": lists.scores, f"{name}.filled": filled}


def _joined(paths: list[Path], search: Search, sample: Sample, k: int) -> Pass:
    parts = [npz.read(path, _names(sample)) for path in paths]
    lists, filled = {}, {}
    for name in (condition.name for condition in sample.conditions):
        found = [Lists(part[f"{name}.items"], part[f"{name}.scores"]) for part in parts]
        lists[name] = Lists.joined([Lists.empty(0, k), *found])
        filled[name] = np.concatenate(
            [np.empty(0, dtype=np.int64), *(part[f"{name}.filled"] for part in parts)]
        )
    generated = np.zeros(search.trie.n_items, dtype=np.int64)
    for part in parts:
        generated += part["generated"]
    return Pass(lists, filled, generated, sum(float(part["seconds"]) for part in parts), paths)

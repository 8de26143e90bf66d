"""The blend over all users of a run: its weight from validation, and its lists from what the search left."""

import numpy as np
from numpy.typing import NDArray

from clairo import log, metrics
from clairo.log import Step
from clairo.recommendations.blend import Blend, mix, votes
from clairo.recommendations.ensemble import complete
from clairo.recommendations.full_pass import Pass
from clairo.recommendations.sample import Sample
from clairo.recommendations.tuning import METRIC, ranks_in
from clairo.rivals.counted import ItemToItem, slabs
from clairo.rivals.lists import Lists

WEIGHTS = tuple(round(step / 20, 2) for step in range(21))


def tune(item2item: ItemToItem, sample: Sample, run: Pass) -> tuple[float, list[dict[str, float]]]:
    """The weight whose lists have the best NDCG@10, the smallest of equal ones, and NDCG@10 of every weight.

    Args:
        item2item: the run's tuned rival.
        sample: the users of validation.
        run: what the model found for them; its unmasked lists are those of weight 0.
    """
    ranks = {weight: np.empty(len(sample.users), dtype=np.int64) for weight in WEIGHTS}
    ranks[0.0][:] = metrics.rank_of(run.lists["validation"].items, sample.targets)
    with log.step("tune blend", total=len(sample.users)) as step:
        for start, part in run.found():
            for rows in slabs(np.arange(len(part)), len(item2item.tie)):
                users = start + rows
                said = votes(part.take(rows), item2item.scores(sample.read.take(users)))
                for weight in WEIGHTS[1:]:
                    ranks[weight][users] = ranks_in(mix(*said, weight), sample.targets[users])
                step.advance(len(rows))
    grid = [{"weight": weight, METRIC: metrics.summary(ranks[weight], (10,))[METRIC]} for weight in WEIGHTS]
    return max(grid, key=lambda cell: cell[METRIC])["weight"], grid  # max takes the first of equals


def blended(
    blend: Blend, sample: Sample, run: Pass, popular: NDArray[np.int64], k: int, step: Step
) -> dict[str, Lists]:
    """Lists of the `k` best items by the blend, by name of the condition."""
    lists = {condition.name: Lists.empty(len(sample.users), k) for condition in sample.conditions}
    for start, part in run.found():
        rows = np.arange(start, start + len(part))
        read, known = sample.read.take(rows), sample.known.take(rows)
        keep = min(k + int(known.lengths.max(initial=0)), len(popular))
        rankings = blend.rank(part, read, keep)
        for condition in sample.conditions:
            filled = lists[condition.name]
            for row, ranking in enumerate(rankings):
                held = known[row] if condition.masked else known[row][:0]
                items, scores, _ = complete(ranking, popular, k, held)
                filled.items[start + row, : len(items)] = items
                filled.scores[start + row, : len(items)] = scores
        step.advance(len(part))
    return lists

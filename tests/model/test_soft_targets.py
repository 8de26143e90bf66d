"""Soft targets against the list that they are drawn from, worked out by hand, and in a stopped training."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clairo.artifacts import Sequences
from clairo.config import SoftTargetsConfig
from clairo.errors import InputError
from clairo.model.examples import Batches, Examples
from clairo.model.loss import TrieLoss
from clairo.model.soft_targets import SoftTargets
from clairo.rivals.counted import ItemToItem, Popularity
from clairo.rivals.histories import Histories
from clairo.rivals.linear import Moments
from clairo.vocabulary import Vocabulary

from .conftest import N_ITEMS, Train
from .test_stage import FORWARD, assert_same

CONFIG = SoftTargetsConfig(share=0.4, items=5, power=2.0, penalty=3.0)


@pytest.fixture(scope="module")
def examples(sequences: Sequences) -> Examples:
    return Examples.of(*sequences.training(), 3)


@pytest.fixture(scope="module")
def soft(sequences: Sequences, examples: Examples) -> SoftTargets:
    return SoftTargets.fit(sequences, examples, CONFIG, 7)


def chances(sequences: Sequences, history: list[int]) -> dict[int, float]:
    """What is drawn after a history, and how often: the definition."""
    table = Moments.count(sequences, past=0.3, future=0.5, together=1.0).fit(3.0, kept=500)
    teacher = ItemToItem(table, 0.8, np.zeros(N_ITEMS), Popularity.count(sequences))
    scores = teacher.scores(Histories.of([history]))[0]
    best = sorted(range(N_ITEMS), key=lambda item: (-scores[item], item))[:5]
    weights = {item: float(scores[item]) ** 2 for item in best if scores[item] > 0}
    return {item: weight / sum(weights.values()) for item, weight in weights.items()}


def test_targets_are_drawn_as_often_as_the_list_says(
    sequences: Sequences, examples: Examples, soft: SoftTargets
) -> None:
    row, epochs = 8, 6000
    history = examples.events[examples.start[row] : examples.target[row]].tolist()
    came = int(examples.events[examples.target[row]])
    drawn = Counter(
        int(soft.drawn(np.array([row]), np.array([came], dtype=np.uint32), epoch)[0])
        for epoch in range(epochs)
    )
    expected = {item: 0.4 * chance for item, chance in chances(sequences, history).items()}
    expected[came] = expected.get(came, 0) + 0.6
    assert len(expected) > 3
    assert drawn.keys() <= expected.keys()
    for item, chance in expected.items():
        spread = (chance * (1 - chance) / epochs) ** 0.5
        assert abs(drawn[item] / epochs - chance) < 4 * spread + 1e-9


def test_what_is_drawn_depends_on_epoch_and_example_and_not_on_the_batch(
    examples: Examples, soft: SoftTargets
) -> None:
    came = examples.events[examples.target]
    every = np.arange(len(examples))
    whole = {epoch: soft.drawn(every, came, epoch) for epoch in (0, 1)}
    assert (whole[0] != whole[1]).mean() > 0.1
    for epoch in (1, 0):
        rows = np.random.default_rng(epoch).permutation(every)[:50]
        assert soft.drawn(rows, came[rows], epoch).tolist() == whole[epoch][rows].tolist()


def test_where_nothing_scores_above_0_what_came_stays(examples: Examples, soft: SoftTargets) -> None:
    below = soft.below.copy()
    below[::2] = 0
    bare = SoftTargets(soft.items, below, 1.0, 7)
    came = np.full(len(examples), N_ITEMS - 1, dtype=np.uint32)
    drawn = bare.drawn(np.arange(len(examples)), came, 0)
    assert (drawn[::2] == came[::2]).all()
    assert (drawn[1::2] != came[1::2]).mean() > 0.8


def test_a_batch_has_the_labels_of_what_is_drawn(
    sequences: Sequences,
    examples: Examples,
    soft: SoftTargets,
    vocabulary: Vocabulary,
    features: np.ndarray[Any, np.dtype[np.uint32]],
) -> None:
    rows = np.arange(40)
    plain = Batches(examples, vocabulary, features, batch_size=40, seed=5)
    mixed = Batches(examples, vocabulary, features, batch_size=40, seed=5, soft=soft)
    drawn = soft.drawn(rows, examples.events[examples.target[rows]], 3)
    first = {
        int(examples.events[at]): row for row, at in enumerate(examples.target)
    }  # an example of each item
    batch, ordinary = mixed.batch(rows, 3), plain.batch(rows, 3)
    assert torch.equal(batch.ids, ordinary.ids)
    labels = plain.batch(np.array([first[int(item)] for item in drawn]), 3).labels
    assert torch.equal(batch.labels, labels)
    assert not torch.equal(batch.labels, ordinary.labels)


def test_a_catalogue_that_is_too_large_is_refused(sequences: Sequences, examples: Examples) -> None:
    with pytest.raises(InputError, match=f"at most 59 items, and there are {N_ITEMS}") as caught:
        SoftTargets.fit(sequences, examples, CONFIG.model_copy(update={"most_items": 59}), 0)
    assert "model.soft_targets.share to 0" in str(caught.value.hint)


def test_a_training_that_is_stopped_goes_on_with_the_same_targets(
    tmp_path: Path, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "whole", soft_targets=CONFIG)
    calls = 0

    def stopped(loss: TrieLoss, *args: Any) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return FORWARD(loss, *args)

    monkeypatch.setattr(TrieLoss, "forward", stopped)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", soft_targets=CONFIG, checkpoint_minutes=1e-9)
    train(tmp_path / "stopped", soft_targets=CONFIG, checkpoint_minutes=1e-9)
    assert_same(tmp_path / "stopped", tmp_path / "whole")
    train(tmp_path / "without")
    first = (tmp_path / name / "best" / "model.safetensors" for name in ("whole", "without"))
    assert len({path.read_bytes() for path in first}) == 2

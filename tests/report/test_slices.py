"""Slices partition users, and say what they hold."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clairo.artifacts import Sequences
from clairo.report import slices
from clairo.report.results import Catalogue


@pytest.fixture
def table(write_run: Any) -> Sequences:
    return Sequences.load(write_run() / "sequences")


def test_labels_say_the_edges() -> None:
    assert slices.labels((0, 1, 5, 10)) == ("0", "1-4", "5-9", "10+")
    assert slices.popularity_labels()[:2] == ("cold", "1-4")


@given(st.lists(st.integers(0, 2000), min_size=1))
def test_a_value_lies_in_the_bin_of_its_label(values: list[int]) -> None:
    names = slices.labels(slices.POPULARITY)
    for value, part in zip(values, slices.bins(np.array(values), slices.POPULARITY).tolist(), strict=True):
        low, _, high = names[part].removesuffix("+").partition("-")
        assert int(low) <= value
        assert names[part].endswith("+") or value <= int(high or low)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_every_user_has_one_part_and_it_is_the_right_one(table: Sequences, split: Any) -> None:
    items = Catalogue.of(table, 0.2)
    users, targets = table.targets(split)
    found = {
        partition.name: partition
        for partition in slices.partitions(table, split, users, events=items.events, head=items.head)
    }
    trained = [item for user in range(table.n_users) for item in table.history(user)[: table.train_end[user]]]
    for row, (user, target) in enumerate(zip(users.tolist(), targets.tolist(), strict=True)):
        label = {name: part.labels[part.part[row]] for name, part in found.items()}
        events = trained.count(target)
        assert (label["target_popularity"] == "cold") == (events == 0) == (label["target_tail"] == "cold")
        assert label["ties"] == ("tie" if table.ties[user] else "no tie")
        before = int(getattr(table, split)[user])
        assert label["history_length"] == next(
            name
            for low, name in zip((20, 10, 5, 1), ("20-49", "10-19", "5-9", "1-4"), strict=True)
            if before >= low
        )


def test_unknown_times_are_said(table: Sequences) -> None:
    table.times[:] = -1
    items, users = Catalogue.of(table, 0.2), np.arange(table.n_users)
    ties = slices.partitions(table, "test", users, events=items.events, head=items.head)[-1]
    assert {ties.labels[part] for part in ties.part} == {"time unknown"}

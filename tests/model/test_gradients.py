"""A batch's gradients are the same however it is divided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clairo.errors import ClairoError
from clairo.model.examples import Batch
from clairo.model.gradients import Accumulate, Gradients, take
from clairo.model.group import Group
from clairo.model.loss import TrieLoss, VocabularyLoss
from clairo.model.network import Teacher, build
from clairo.model.train import make_accelerator
from clairo.tokens import END, IGNORED, OFFSET, PAD, Trie

if TYPE_CHECKING:
    from transformers import T5ForConditionalGeneration

ITEMS = [(1, 5), (2, 6), (3,), (1, 6, 7), (4,)]
LABELS = [[token + OFFSET for token in item] + [END] for item in ITEMS]


def trie() -> Trie:
    flat = torch.tensor([token for item in ITEMS for token in item], dtype=torch.uint32).numpy()
    offsets = torch.tensor([0, *map(len, ITEMS)]).cumsum(0).numpy()
    return Trie.build(flat, offsets)


def padded(rows: list[list[int]], fill: int) -> torch.Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [fill] * (longest - len(row)) for row in rows])


def batch_of(lengths: list[int]) -> Batch:
    """Histories of these lengths, each with another target."""
    ids = padded([[3 + (i + n) % 8 for i in range(length)] + [END] for n, length in enumerate(lengths)], PAD)
    return Batch(ids, ids != PAD, padded([LABELS[n % len(ITEMS)] for n in range(len(lengths))], IGNORED))


def small(dropout: float = 0.0) -> T5ForConditionalGeneration:
    return build(n_model_ids=12, layers=1, d_model=8, d_ff=8, heads=2, d_kv=4, dropout=dropout, seed=0)


def gradients(
    network: T5ForConditionalGeneration, loss: Any, size: int, accumulate: Accumulate = 1, seed: int = 0
) -> Gradients:
    accelerator = make_accelerator("cpu", "no")
    return Gradients(network, loss, accelerator, Group(), seed=seed, batch_size=size, accumulate=accumulate)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=9), st.integers(1, 12), st.booleans())
def test_parts_add_up_to_the_whole(lengths: list[int], parts: int, over_trie: bool) -> None:
    batch = batch_of(lengths)
    loss = TrieLoss(trie(), 0.1) if over_trie else VocabularyLoss(0.1)
    plain, divided = small(), small()
    expected = Teacher(plain, loss)(batch.ids, batch.mask, batch.labels)
    expected.backward()
    found = gradients(divided, loss, len(lengths), parts)(batch, 0)
    torch.testing.assert_close(found, expected.detach())
    for (name, one), (_, other) in zip(plain.named_parameters(), divided.named_parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, msg=name, atol=1e-5, rtol=1e-4)


def test_each_part_and_step_draws_its_own_dropout_and_always_the_same() -> None:
    batch = take(batch_of([4, 4]), torch.tensor([0, 0]))  # two equal rows

    def loss_of(accumulate: int, step: int = 0, seed: int = 0) -> float:
        network = small(dropout=0.5).train()
        return float(gradients(network, VocabularyLoss(0.0), 2, accumulate, seed)(batch, step))

    assert loss_of(2) == loss_of(2)
    assert len({loss_of(2), loss_of(1), loss_of(2, step=1), loss_of(2, seed=1)}) == 4


def test_taken_rows_lose_only_padding() -> None:
    batch = batch_of([2, 6, 1])
    part = take(batch, torch.tensor([2, 0]))
    assert part.ids.tolist() == [[5, END, PAD], [3, 4, END]]
    assert part.mask.tolist() == [[True, True, False], [True, True, True]]
    assert part.labels.tolist() == [LABELS[2] + [IGNORED], LABELS[0]]


class Full(VocabularyLoss):
    """Runs out of memory above `cells` cells of padded labels times rows, as a device might."""

    def __init__(self, cells: int, message: str = "CUDA out of memory. Tried to allocate 3.00 GiB") -> None:
        super().__init__(0.0)
        self.cells, self.message = cells, message
        self.tried: list[int] = []

    def forward(self, states: torch.Tensor, weights: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        self.tried.append(len(labels))
        if labels.numel() > self.cells:
            raise RuntimeError(self.message)
        return super().forward(states, weights, labels)


def test_when_it_may_it_halves_parts_until_they_fit_and_takes_the_step_again() -> None:
    batch = batch_of([3] * 13)
    plain, halved = small(), small()
    expected = Teacher(plain, VocabularyLoss(0.0))(batch.ids, batch.mask, batch.labels)
    expected.backward()
    loss = Full(16)
    work = gradients(halved, loss, 13, "auto")
    torch.testing.assert_close(work(batch, 0), expected.detach())
    assert (work.rows, loss.tried) == (4, [13, 7, 4, 4, 4, 1])
    for one, other in zip(plain.parameters(), halved.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad, atol=1e-5, rtol=1e-4)
    loss.tried.clear()
    work(batch, 1)
    assert loss.tried == [4, 4, 4, 1]


@pytest.mark.parametrize(
    "message", ["MPS backend out of memory", "DefaultCPUAllocator: can't allocate memory"]
)
def test_otherwise_it_finds_what_fits(message: str) -> None:
    loss = Full(16, message)
    with pytest.raises(ClairoError, match="the cpu device ran out of memory") as caught:
        gradients(small(), loss, 13)(batch_of([3] * 13), 0)
    assert str(caught.value.hint).startswith("model.batch_size = 3 fits")
    assert loss.tried == [13, 6, 3]


def test_what_the_optimizer_will_take_is_kept_free() -> None:
    loss = Full(16)
    with pytest.raises(ClairoError, match="ran out of memory") as caught:
        gradients(small(), loss, 13)(batch_of([3] * 13), 0, to_come=1 << 60)
    assert str(caught.value.hint).startswith("not even one example fits")


def test_one_row_too_many_even_in_parts() -> None:
    with pytest.raises(ClairoError, match="ran out of memory") as caught:
        gradients(small(), Full(0), 13, "auto")(batch_of([3] * 13), 0)
    assert str(caught.value.hint).startswith("not even one example fits")


def test_other_faults_stay_what_they_are() -> None:
    with pytest.raises(RuntimeError, match="a fault of the code"):
        gradients(small(), Full(0, "a fault of the code"), 13, "auto")(batch_of([3] * 13), 0)

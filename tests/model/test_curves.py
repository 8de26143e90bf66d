"""The lean forward pass with its fast products trains as transformers' own does."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from clairo.model import network
from clairo.model.loss import VocabularyLoss
from clairo.model.matmul import fast_float32

if TYPE_CHECKING:
    from transformers import T5ForConditionalGeneration

STEPS = 40


def batches() -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """A rule to learn: the labels are the first ids of the input, in another order."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(STEPS):
        ids = torch.randint(3, 40, (16, 8), generator=generator)
        mask = torch.arange(8) < torch.randint(3, 9, (16, 1), generator=generator)
        labels = torch.stack((ids[:, 2], ids[:, 0], torch.ones(16, dtype=torch.int64)), dim=1)
        found.append((ids.masked_fill(~mask, 0), mask, labels))
    return found


def curve(start: T5ForConditionalGeneration, *, ours: bool, bf16: bool = False) -> list[float]:
    model = copy.deepcopy(start).train()
    teacher = network.Teacher(model, VocabularyLoss(0.0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.003, fused=ours)
    losses = []
    for ids, mask, labels in batches():
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = (
                teacher(ids, mask, labels)
                if ours
                else model(input_ids=ids, attention_mask=mask, labels=labels).loss
            )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


@pytest.fixture(scope="module")
def start() -> T5ForConditionalGeneration:
    return network.build(n_model_ids=40, layers=2, d_model=32, d_ff=64, heads=2, d_kv=16, dropout=0.0, seed=0)


def test_in_float32_the_losses_are_those_of_transformers(start: T5ForConditionalGeneration) -> None:
    expected = curve(start, ours=False)
    assert np.mean(expected[-5:]) < 0.9 * np.mean(expected[:5])  # something was learned
    with fast_float32(torch.device("cpu")):
        found = curve(start, ours=True)
    np.testing.assert_allclose(found, expected, rtol=2e-3)


def test_in_bfloat16_they_lie_close_by(start: T5ForConditionalGeneration) -> None:
    expected = curve(start, ours=False)
    np.testing.assert_allclose(curve(start, ours=True, bf16=True), expected, rtol=0.05)


def test_the_precision_of_products_is_put_back() -> None:
    before = torch.get_float32_matmul_precision()
    with pytest.raises(KeyError), fast_float32(torch.device("cpu")):
        raise KeyError
    assert torch.get_float32_matmul_precision() == before


def test_products_keep_float32() -> None:
    fine = torch.full((300, 300), 1 + 2.0**-12)  # bfloat16 would make it 1
    with fast_float32(torch.device("cpu")):
        found = fine @ fine
    torch.testing.assert_close(found, torch.full_like(found, 300 * (1 + 2.0**-12) ** 2), rtol=1e-6, atol=0.0)

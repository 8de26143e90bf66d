"""The forward pass of training: transformers' T5, and dropout that is dropout."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import pytest
import torch

from clairo.model import forward, network

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import T5ForConditionalGeneration


@pytest.fixture
def model() -> T5ForConditionalGeneration:
    return network.build(n_model_ids=50, layers=3, d_model=16, d_ff=32, heads=2, d_kv=8, dropout=0.3, seed=0)


@pytest.fixture
def inputs() -> tuple[Tensor, Tensor, Tensor]:
    """Ids and mask of the encoder, as long as the distances that share a bucket, and ids of the decoder."""
    generator = torch.Generator().manual_seed(1)
    length = torch.tensor([200, 3, 1, 90])
    mask = torch.arange(200) < length[:, None]
    ids = torch.randint(3, 50, mask.shape, generator=generator).masked_fill(~mask, 0)
    return ids, mask, torch.randint(3, 50, (4, 40), generator=generator)


def test_states_are_those_of_transformers(
    model: T5ForConditionalGeneration, inputs: tuple[Tensor, Tensor, Tensor]
) -> None:
    model.eval()
    ids, mask, steps = inputs
    expected = model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    encoded = forward.encode(model, ids, mask)
    torch.testing.assert_close(encoded[mask], expected[mask])
    torch.testing.assert_close(
        forward.decode(model, steps, encoded, mask),
        model.decoder(
            input_ids=steps, encoder_hidden_states=expected, encoder_attention_mask=mask, use_cache=False
        ).last_hidden_state,
    )


def test_the_path_with_dropout_is_the_path_without_as_the_rate_falls_to_nothing(
    model: T5ForConditionalGeneration, inputs: tuple[Tensor, Tensor, Tensor]
) -> None:
    ids, mask, steps = inputs
    model.eval()
    encoded = forward.encode(model, ids, mask)
    expected = forward.decode(model, steps, encoded, mask)
    model.train()
    model.config.dropout_rate = 1e-9  # above 0, yet it shuts nothing
    found = forward.encode(model, ids, mask)
    torch.testing.assert_close(found, encoded)
    torch.testing.assert_close(forward.decode(model, steps, found, mask), expected)


def test_the_attention_of_accelerators_is_that_of_a_cpu() -> None:
    """And so are its gradients, that of the bias among them."""
    generator = torch.Generator().manual_seed(2)
    shapes = [(3, 2, 5, 8), (3, 2, 7, 8), (3, 2, 7, 8), (3, 2, 5, 7)]
    query, keys, values, bias = inputs = [
        torch.randn(shape, generator=generator, requires_grad=True) for shape in shapes
    ]
    fused = forward._fused_attention(query, keys, values, bias, 0.0)
    plain = forward._plain_attention(query, keys, values, bias, 0.0)
    torch.testing.assert_close(fused, plain)
    slope = torch.randn(plain.shape, generator=generator)
    for one, other in zip(
        torch.autograd.grad(fused, inputs, slope), torch.autograd.grad(plain, inputs, slope), strict=True
    ):
        torch.testing.assert_close(one, other)


def test_dropout_acts_in_training_alone(
    model: T5ForConditionalGeneration, inputs: tuple[Tensor, Tensor, Tensor]
) -> None:
    ids, mask, _ = inputs
    model.eval()
    assert torch.equal(forward.encode(model, ids, mask), forward.encode(model, ids, mask))
    model.train()
    assert not torch.equal(forward.encode(model, ids, mask), forward.encode(model, ids, mask))


def test_its_loss_is_spread_as_that_of_transformers(model: T5ForConditionalGeneration) -> None:
    model.train()
    ids = torch.arange(3, 33).view(2, 15)
    mask, steps = torch.ones_like(ids, dtype=torch.bool), torch.arange(3, 11).view(2, 4)
    direction = torch.linspace(-1, 1, 16)

    def ours() -> float:
        states = forward.decode(model, steps, forward.encode(model, ids, mask), mask)
        return float((states @ direction).mean())

    def theirs() -> float:
        encoded = model.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        states = model.decoder(
            input_ids=steps, encoder_hidden_states=encoded, encoder_attention_mask=mask, use_cache=False
        ).last_hidden_state
        return float((states @ direction).mean())

    torch.manual_seed(0)
    with torch.no_grad():
        a, b = (torch.tensor([draw() for _ in range(2000)]) for draw in (ours, theirs))
    error = math.sqrt((a.var() + b.var()).item() / 2000)
    assert abs(a.mean() - b.mean()) < 4 * error
    assert 0.9 < float(a.std() / b.std()) < 1.1


def test_one_id_a_position_is_read_the_same_with_padding_behind_it(
    model: T5ForConditionalGeneration, inputs: tuple[Tensor, Tensor, Tensor]
) -> None:
    model.eval()
    ids, mask, _ = inputs
    wide = torch.stack((ids, torch.zeros_like(ids), torch.zeros_like(ids)), dim=2)
    read = forward.encode(model, ids, mask)
    torch.testing.assert_close(forward.encode(model, wide, mask)[mask], read[mask])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_several_ids_at_a_position_add_up_whatever_their_order_and_padding(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(3)
    weights = torch.randn(30, 8, generator=generator).to(dtype).requires_grad_()
    ids = torch.randint(3, 30, (5, 7, 4), generator=generator)
    ids[1, 2, 1:] = 0
    ids[2, 3, 2:] = 0
    ids[4, 6] = 0  # all padding
    wanted = torch.zeros(5, 7, 8)
    for row in range(5):
        for place in range(7):
            held = [weights[at].float() for at in ids[row, place].tolist() if at]
            if held:
                wanted[row, place] = torch.stack(held).sum(dim=0) / math.sqrt(len(held))
    near = partial(torch.testing.assert_close, rtol=1e-6, atol=1e-6)
    if dtype == torch.bfloat16:
        near = partial(torch.testing.assert_close, rtol=2e-2, atol=2e-2)
    found = forward.embed(ids, weights)
    assert found.dtype == dtype
    near(found.float(), wanted)
    near(forward.embed(ids.flip(2), weights), found)
    slope = torch.randn(wanted.shape, generator=generator)
    (ours,) = torch.autograd.grad(found.float(), weights, slope)
    (theirs,) = torch.autograd.grad(wanted, weights, slope)
    near(ours, theirs)
    assert not ours[0].any()  # padding learns nothing


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
def test_dropout_shuts_its_share_and_scales_the_rest(rate: float) -> None:
    torch.manual_seed(0)
    values = torch.ones(257, 401, requires_grad=True)
    kept = forward.dropout(values, rate)
    shut = float((kept == 0).float().mean())
    assert abs(shut - rate) < 4 * math.sqrt(rate * (1 - rate) / values.numel())
    torch.testing.assert_close(
        kept[kept > 0], torch.full_like(kept[kept > 0], 1 / (1 - rate)), rtol=1e-4, atol=0
    )
    (gradient,) = torch.autograd.grad(kept.sum(), values)
    assert torch.equal(gradient, kept.detach())


def test_neighbours_are_shut_independently() -> None:
    torch.manual_seed(0)
    shut = forward.dropout(torch.ones(1 << 18), 0.5) == 0
    for apart in (1, 2, 3, 4):
        both = float((shut[apart:] & shut[:-apart]).float().mean())
        assert abs(both - 0.25) < 4 * math.sqrt(0.25 * 0.75 / len(shut))


def test_dropout_follows_the_seed() -> None:
    values = torch.randn(33, 7)
    torch.manual_seed(5)
    first = forward.dropout(values, 0.3)
    torch.manual_seed(5)
    assert torch.equal(forward.dropout(values, 0.3), first)
    assert not torch.equal(forward.dropout(values, 0.3), first)
    assert torch.equal(forward.dropout(values, 0.0), values)


def test_training_goes_on_from_what_a_search_computed_first(model: T5ForConditionalGeneration) -> None:
    ids = torch.arange(3, 40)[None]  # a length that nothing else here has
    mask = torch.ones_like(ids, dtype=torch.bool)
    with torch.inference_mode():
        forward.encode(model, ids, mask)
    gradients = torch.autograd.grad(forward.encode(model, ids, mask).sum(), [model.shared.weight])
    assert gradients[0].abs().sum() > 0

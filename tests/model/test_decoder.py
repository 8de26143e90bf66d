"""One token at a time over the weights gives the logits of transformers' whole forward."""

import pytest
import torch
from transformers import T5ForConditionalGeneration

from clairo.model.decoder import Decoder
from clairo.model.network import build


@pytest.fixture(scope="module")
def model() -> T5ForConditionalGeneration:
    built = build(n_model_ids=50, layers=3, d_model=24, d_ff=40, heads=3, d_kv=8, dropout=0.1, seed=0).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in built.parameters():
            weights.add_(torch.randn(weights.shape, generator=generator), alpha=0.3)
    return built


@torch.no_grad()
def test_logits_are_those_of_transformers(model: T5ForConditionalGeneration) -> None:
    generator = torch.Generator().manual_seed(1)
    rows, beams, steps = 3, 4, 6
    ids = torch.randint(3, 50, (rows, 11), generator=generator)
    mask = torch.arange(11) < torch.tensor([11, 5, 1])[:, None]
    tokens = torch.randint(1, 50, (rows, beams, steps), generator=generator)

    decoder = Decoder(model, max_steps=steps)
    state = decoder.begin(ids, mask)
    found = torch.stack([decoder.step(state, tokens[:, :, step]) for step in range(steps)], dim=2)

    expected = model(
        input_ids=ids.repeat_interleave(beams, dim=0),
        attention_mask=mask.repeat_interleave(beams, dim=0),
        decoder_input_ids=tokens.flatten(0, 1),
    ).logits
    torch.testing.assert_close((found @ decoder.output.T).flatten(0, 1), expected, atol=2e-5, rtol=1e-5)


@torch.no_grad()
def test_beams_go_on_from_the_beams_that_reorder_names(model: T5ForConditionalGeneration) -> None:
    ids = torch.arange(3, 17).view(2, 7)
    mask = torch.ones_like(ids, dtype=torch.bool)
    decoder = Decoder(model, max_steps=3)

    state = decoder.begin(ids, mask)
    decoder.step(state, torch.tensor([[5, 6], [7, 8]]))
    state.reorder(torch.tensor([1, 1, 0, 3, 2, 3]))  # three beams a row now
    found = decoder.step(state, torch.tensor([[9, 10, 11], [12, 13, 14]]))

    state = decoder.begin(ids, mask)
    decoder.step(state, torch.tensor([[6, 6, 5], [8, 7, 8]]))
    expected = decoder.step(state, torch.tensor([[9, 10, 11], [12, 13, 14]]))
    torch.testing.assert_close(found, expected)

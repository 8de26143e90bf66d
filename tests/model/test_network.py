"""The training loss against transformers' own, and what the network is made of."""

import pytest
import torch
from torch.nn import functional
from transformers import T5ForConditionalGeneration

from clairo.model.loss import VocabularyLoss
from clairo.model.network import Teacher, build, decoder_inputs, parameter_groups
from clairo.tokens import END, PAD, START


def small(seed: int = 0) -> T5ForConditionalGeneration:
    return build(n_model_ids=30, layers=2, d_model=16, d_ff=32, heads=2, d_kv=8, dropout=0.5, seed=seed)


IDS = torch.tensor([[5, 6, 7, END], [8, END, PAD, PAD]])
LABELS = torch.tensor([[9, 10, END], [11, END, -100]])


def test_the_loss_and_its_gradients_are_those_of_transformers() -> None:
    ours, theirs = small().eval(), small().eval()
    loss = Teacher(ours, VocabularyLoss(0.0))(IDS, IDS != PAD, LABELS)
    expected = theirs(input_ids=IDS, attention_mask=IDS != PAD, labels=LABELS).loss
    torch.testing.assert_close(loss, expected)
    loss.backward()
    expected.backward()
    for (name, one), (_, other) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, msg=name, atol=1e-6, rtol=1e-4)


def test_label_smoothing_mixes_in_every_id() -> None:
    network = small().eval()
    logits = network(input_ids=IDS, attention_mask=IDS != PAD, labels=LABELS).logits
    log_probabilities = functional.log_softmax(logits, dim=-1)[LABELS != -100]
    exact = -log_probabilities.gather(1, LABELS[LABELS != -100][:, None]).mean()
    expected = 0.8 * exact - 0.2 * log_probabilities.mean()
    torch.testing.assert_close(Teacher(network, VocabularyLoss(0.2))(IDS, IDS != PAD, LABELS), expected)


def test_the_decoder_reads_start_and_all_labels_but_the_last() -> None:
    assert decoder_inputs(LABELS).tolist() == [[START, 9, 10], [START, 11, END]]
    assert decoder_inputs(torch.tensor([[7, END, -100, -100]])).tolist() == [[START, 7, END, PAD]]


def test_weights_depend_on_the_seed_alone_and_leave_the_generator_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one, same, other = small(1), small(1), small(2)
    assert torch.rand(3).tolist() == expected.tolist()
    assert torch.equal(one.shared.weight, same.shared.weight)
    assert not torch.equal(one.shared.weight, other.shared.weight)


def test_it_is_the_t5_that_was_asked_for() -> None:
    network = small()
    assert network.lm_head.weight is network.shared.weight is network.encoder.embed_tokens.weight
    config = network.config
    assert (config.dense_act_fn, config.is_gated_act, config.dropout_rate) == ("relu", False, 0.5)
    assert (config.pad_token_id, config.eos_token_id, config.decoder_start_token_id) == (PAD, END, START)
    assert len(network.encoder.block) == len(network.decoder.block) == 2
    assert network.config._attn_implementation == "sdpa"


def test_norms_and_position_biases_do_not_decay_and_embeddings_have_a_rate_of_their_own() -> None:
    network = small()
    decaying, embeddings, free = parameter_groups(network, 0.3, embedding_rate=4)
    assert (decaying["weight_decay"], free["weight_decay"]) == (0.3, 0.0)
    assert (decaying["rate"], embeddings["rate"], free["rate"]) == (1, 4, 1)
    assert embeddings["rate"] * embeddings["weight_decay"] == pytest.approx(0.3)
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    kept = {names[id(parameter)] for parameter in free["params"]}
    assert kept == {name for name in names.values() if "norm" in name or "relative_attention_bias" in name}
    assert [names[id(parameter)] for parameter in embeddings["params"]] == ["shared.weight"]
    assert len(kept) + 1 + len(decaying["params"]) == len(names)


@pytest.mark.parametrize("precision", [torch.bfloat16])
def test_it_runs_under_mixed_precision(precision: torch.dtype) -> None:
    network = small().eval()
    exact = Teacher(network, VocabularyLoss(0.0))(IDS, IDS != PAD, LABELS)
    with torch.autocast("cpu", dtype=precision):
        mixed = Teacher(network, VocabularyLoss(0.0))(IDS, IDS != PAD, LABELS)
    assert mixed.dtype == torch.float32
    torch.testing.assert_close(mixed, exact, rtol=0.03, atol=0.03)

"""The search against scores of every item by transformers' own forward, one sequence at a time."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from transformers import T5ForConditionalGeneration

from clairo import InputError
from clairo.model.network import build
from clairo.model.search import BeamSearch, Normalise
from clairo.tokens import END, OFFSET, PAD, START, Trie

VOCABULARY = 40
BOTH = pytest.mark.parametrize("normalise", ["trie", "vocabulary"])
Row = tuple[int, ...]


def random_rows(n: int, seed: int) -> list[Row]:
    """Different sequences of one to four tokens, some of them with prefixes in common."""
    rng = np.random.default_rng(seed)
    rows: dict[Row, None] = {}
    while len(rows) < n:
        rows[tuple(int(token) for token in rng.integers(1, 8, size=rng.integers(1, 5)))] = None
    return list(rows)


def trie_of(rows: list[Row]) -> Trie:
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    return Trie.build(np.array([token for row in rows for token in row], dtype=np.uint32), offsets)


@pytest.fixture(scope="module")
def model() -> T5ForConditionalGeneration:
    return network(seed=3)


def network(seed: int) -> T5ForConditionalGeneration:
    """A small model whose relative positions and attention matter: every weight well away from its start."""
    built = build(
        n_model_ids=VOCABULARY + OFFSET,
        layers=2,
        d_model=16,
        d_ff=32,
        heads=2,
        d_kv=8,
        dropout=0.1,
        seed=seed,
    ).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in built.parameters():
            weights.add_(torch.randn(weights.shape, generator=generator), alpha=0.3)
    return built


@pytest.fixture(scope="module")
def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(1)
    ids = torch.from_numpy(rng.integers(OFFSET + 1, VOCABULARY + OFFSET, size=(4, 9)))
    lengths = torch.tensor([9, 3, 6, 1])
    mask = torch.arange(9) < lengths[:, None]
    ids[torch.arange(4), lengths - 1] = END
    return ids.where(mask, PAD), mask


def oracle(
    model: T5ForConditionalGeneration,
    rows: list[Row],
    ids: torch.Tensor,
    mask: torch.Tensor,
    normalise: Normalise,
) -> NDArray[np.float64]:
    """Log-probability of every item for every input, (inputs, items), by teacher forcing."""
    sequences = [[token + OFFSET for token in row] + [END] for row in rows]
    scores = np.zeros((len(ids), len(rows)))
    for item, sequence in enumerate(sequences):
        decoder = torch.tensor([[START, *sequence[:-1]]]).expand(len(ids), -1)
        with torch.no_grad():
            logits = model(input_ids=ids, attention_mask=mask, decoder_input_ids=decoder).logits.double()
        for step, token in enumerate(sequence):
            allowed = sorted({other[step] for other in sequences if other[:step] == sequence[:step]})
            among = logits[:, step, allowed] if normalise == "trie" else logits[:, step]
            scores[:, item] += (logits[:, step, token] - among.logsumexp(dim=1)).numpy()
    return scores


@BOTH
@pytest.mark.parametrize("seed", [0, 1])
def test_with_beams_for_every_item_it_is_exact(
    model: T5ForConditionalGeneration,
    inputs: tuple[torch.Tensor, torch.Tensor],
    normalise: Normalise,
    seed: int,
) -> None:
    rows = random_rows(60, seed)
    expected = oracle(model, rows, *inputs, normalise)
    items, scores = BeamSearch(model, trie_of(rows), beams=60, normalise=normalise)(*inputs)
    np.testing.assert_array_equal(items.numpy(), np.argsort(-expected, axis=1))
    np.testing.assert_allclose(scores.numpy(), -np.sort(-expected, axis=1), atol=1e-4)


def test_over_the_trie_all_items_are_a_distribution(
    model: T5ForConditionalGeneration, inputs: tuple[torch.Tensor, torch.Tensor]
) -> None:
    _, scores = BeamSearch(model, trie_of(random_rows(60, 0)), beams=60)(*inputs)
    np.testing.assert_allclose(scores.exp().sum(dim=1).numpy(), 1, atol=1e-5)


@BOTH
def test_few_beams_keep_what_a_search_by_hand_keeps(
    model: T5ForConditionalGeneration, inputs: tuple[torch.Tensor, torch.Tensor], normalise: Normalise
) -> None:
    rows = random_rows(60, 2)
    by_item = oracle(model, rows, *inputs, normalise)
    trie = trie_of(rows)
    for beams in (1, 3, 7):
        items, scores = BeamSearch(model, trie, beams=beams, normalise=normalise)(*inputs)
        for view in range(len(items)):
            expected = search_by_hand(model, rows, inputs[0][view], inputs[1][view], beams, normalise)
            assert items[view].tolist() == expected
            np.testing.assert_allclose(scores[view].numpy(), by_item[view, expected], atol=1e-4)


def search_by_hand(
    model: T5ForConditionalGeneration,
    rows: list[Row],
    ids: torch.Tensor,
    mask: torch.Tensor,
    beams: int,
    normalise: Normalise,
) -> list[int]:
    """One input, prefixes in a list, each scored from scratch."""
    sequences = {(*(token + OFFSET for token in row), END): item for item, row in enumerate(rows)}

    def finished(prefix: Row) -> bool:
        alone = sum(other[: len(prefix)] == prefix for other in sequences) == 1
        return prefix in sequences or (normalise == "trie" and alone and prefix != ())

    def extended(prefix: Row, score: float) -> list[tuple[float, Row]]:
        with torch.no_grad():
            decoder = torch.tensor([[START, *prefix]])
            out = model(input_ids=ids[None], attention_mask=mask[None], decoder_input_ids=decoder)
        logits = out.logits[0, -1].double()
        allowed = sorted({other[len(prefix)] for other in sequences if other[: len(prefix)] == prefix})
        total = (logits[allowed] if normalise == "trie" else logits).logsumexp(dim=0)
        return [(score + float(logits[token] - total), (*prefix, token)) for token in allowed]

    kept: list[tuple[float, Row]] = [(0.0, ())]
    while not all(finished(prefix) for _, prefix in kept):
        pool = [
            entry
            for score, prefix in kept
            for entry in ([(score, prefix)] if finished(prefix) else extended(prefix, score))
        ]
        kept = sorted(pool, reverse=True)[:beams]
    return [
        next(item for seq, item in sequences.items() if seq[: len(prefix)] == prefix) for _, prefix in kept
    ]


@BOTH
def test_more_beams_than_items_leave_the_rest_empty(
    model: T5ForConditionalGeneration, inputs: tuple[torch.Tensor, torch.Tensor], normalise: Normalise
) -> None:
    items, scores = BeamSearch(model, trie_of([(1, 2), (1, 3), (4,)]), beams=5, normalise=normalise)(*inputs)
    assert items.shape == scores.shape == (4, 5)
    assert (items[:, :3].sort(dim=1).values == torch.arange(3)).all()
    assert (items[:, 3:] == -1).all()
    assert (scores[:, 3:] == -torch.inf).all()


@BOTH
def test_a_catalogue_of_one_item(
    model: T5ForConditionalGeneration, inputs: tuple[torch.Tensor, torch.Tensor], normalise: Normalise
) -> None:
    items, scores = BeamSearch(model, trie_of([(2, 5)]), beams=2, normalise=normalise)(*inputs)
    assert items.tolist() == [[0, -1]] * 4
    expected = oracle(model, [(2, 5)], *inputs, normalise)
    np.testing.assert_allclose(scores[:, :1].numpy(), expected, atol=1e-4)


def test_never_an_item_twice(
    model: T5ForConditionalGeneration, inputs: tuple[torch.Tensor, torch.Tensor]
) -> None:
    items, _ = BeamSearch(model, trie_of(random_rows(200, 5)), beams=50)(*inputs)
    assert all(len(set(row)) == 50 and min(row) >= 0 for row in items.tolist())


@BOTH
def test_padding_and_company_do_not_matter(
    model: T5ForConditionalGeneration, inputs: tuple[torch.Tensor, torch.Tensor], normalise: Normalise
) -> None:
    search = BeamSearch(model, trie_of(random_rows(60, 0)), beams=8, normalise=normalise)
    together, scores = search(*inputs)
    ids, mask = inputs
    alone, alone_scores = search(ids[1:2, :3], mask[1:2, :3])
    assert alone.tolist() == together[1:2].tolist()
    np.testing.assert_allclose(alone_scores.numpy(), scores[1:2].numpy(), atol=1e-5)


def test_searching_in_small_pieces_changes_nothing(
    model: T5ForConditionalGeneration,
    inputs: tuple[torch.Tensor, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trie = trie_of(random_rows(60, 0))
    expected = BeamSearch(model, trie, beams=20, normalise="vocabulary")(*inputs)
    monkeypatch.setattr("clairo.model.search._SCRATCH", 100)
    monkeypatch.setattr("clairo.model.search._ROWS", 3)
    found = BeamSearch(model, trie, beams=20, normalise="vocabulary")(*inputs)
    assert found[0].tolist() == expected[0].tolist()
    np.testing.assert_allclose(found[1].numpy(), expected[1].numpy(), atol=1e-5)


def test_a_trie_of_another_vocabulary_is_refused(model: T5ForConditionalGeneration) -> None:
    with pytest.raises(InputError, match="go up to id 52, but the model knows 42 ids"):
        BeamSearch(model, trie_of([(1,), (50,)]), beams=2)

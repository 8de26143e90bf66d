"""Beam search as it is commonly written for generative recommenders, plainly: the slow side of the benchmark.

The input of the encoder is repeated for every beam, the decoder reads every prefix anew at each step, and its
logits are normalised over the whole vocabulary before the trie says what may follow.
"""

from typing import Any

import torch
from torch import Tensor

from clairo.tokens import END, PAD, START

Prefix = tuple[int, ...]


class PrefixTree:
    """What may follow a prefix, and which item a whole sequence is.

    Args:
        sequences: model ids of each item, END last.
    """

    def __init__(self, sequences: list[list[int]]) -> None:
        self.depth = max(map(len, sequences))
        self.item = {tuple(sequence): item for item, sequence in enumerate(sequences)}
        follows: dict[Prefix, set[int]] = {}
        for sequence in sequences:
            for length, token in enumerate(sequence):
                follows.setdefault(tuple(sequence[:length]), set()).add(token)
        self.follows = {prefix: sorted(tokens) for prefix, tokens in follows.items()}


@torch.no_grad()
def plain_search(
    model: Any, tree: PrefixTree, ids: Tensor, mask: Tensor, beams: int
) -> tuple[Tensor, Tensor]:
    """Items and log-probabilities, both (rows, beams), best first, for inputs (rows, length)."""
    rows, n_ids = len(ids), model.config.vocab_size
    ids, mask = ids.repeat_interleave(beams, dim=0), mask.repeat_interleave(beams, dim=0)
    encoded = model.encoder(input_ids=ids, attention_mask=mask)
    first = torch.arange(rows)[:, None] * beams
    prefix = torch.full((rows * beams, 1), START)
    score = torch.full((rows, beams), -torch.inf)
    score[:, 0] = 0.0  # at first all beams are the same
    for _ in range(tree.depth):
        logits = model(
            encoder_outputs=encoded, attention_mask=mask, decoder_input_ids=prefix, use_cache=False
        ).logits[:, -1]
        allowed = _allowed(tree, prefix, logits.log_softmax(dim=1))
        score, pick = allowed.add_(score.view(-1, 1)).view(rows, -1).topk(beams, dim=1)
        parent = (first + pick // n_ids).flatten()
        prefix = torch.cat((prefix[parent], (pick % n_ids).view(-1, 1)), dim=1)
        if bool(((prefix[:, -1] == END) | (prefix[:, -1] == PAD)).all()):
            break
    items = [tree.item.get(tuple(token for token in row[1:] if token != PAD), -1) for row in prefix.tolist()]
    return torch.tensor(items).view(rows, beams), score


def _allowed(tree: PrefixTree, prefix: Tensor, logs: Tensor) -> Tensor:
    """-inf but for what may follow; a prefix that is an item stays as it is."""
    allowed = torch.full_like(logs, -torch.inf)
    for beam, tokens in enumerate(prefix.tolist()):
        if tokens[-1] in (END, PAD):
            allowed[beam, PAD] = 0.0
        else:
            follows = tree.follows.get(tuple(tokens[1:]), [])
            allowed[beam, follows] = logs[beam, follows]
    return allowed


@torch.no_grad()
def transformers_search(
    model: Any, tree: PrefixTree, ids: Tensor, mask: Tensor, beams: int
) -> tuple[Tensor, Tensor]:
    """Items and log-probabilities, both (rows, beams), of transformers' own beam search with its cache.

    Scores are the plain search's: log-probabilities over the vocabulary, summed, whatever the length. The
    search is another: sequences that have ended leave the beams, so that as many prefixes go on as at the
    start, where in the plain search they compete on with the prefixes and take their places. Where items
    differ in length it can so find better items than the plain one, and with as many beams it looks at more.
    Of the sequences that end in a step only those among its `beams` best candidates count. Items that it
    did not find are -1.
    """

    def follows(_row: int, prefix: Tensor) -> list[int]:
        return tree.follows.get(tuple(prefix.tolist()[1:]), [PAD])

    found = model.generate(
        input_ids=ids,
        attention_mask=mask.long(),
        num_beams=beams,
        num_return_sequences=beams,
        max_new_tokens=tree.depth,
        length_penalty=0.0,
        early_stopping="never",  # True stops at the first `beams` items that end, which need not be the best
        do_sample=False,
        use_cache=True,
        prefix_allowed_tokens_fn=follows,
        return_dict_in_generate=True,
        output_scores=True,
    )
    # Behind END it fills up with END where the id of padding is 0.
    items = [tree.item.get(_until_end(row[1:]), -1) for row in found.sequences.tolist()]
    return torch.tensor(items).view(len(ids), beams), found.sequences_scores.view(len(ids), beams)


def _until_end(row: list[int]) -> Prefix:
    return tuple(row[: row.index(END) + 1] if END in row else row)

"""Starting from a trained model whose vocabulary is the beginning of the new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from transformers import T5Config

from clairo import log
from clairo.errors import InputError
from clairo.model import saved
from clairo.tokens import OFFSET, n_model_ids
from clairo.vocabulary import FILE, Vocabulary

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor
    from transformers import T5ForConditionalGeneration

    from clairo.config import ModelConfig

_SHAPE = {  # option of `[model]`: what transformers calls it
    "layers": "num_layers",
    "d_model": "d_model",
    "d_ff": "d_ff",
    "heads": "num_heads",
    "d_kv": "d_kv",
}


def inputs(cfg: ModelConfig) -> list[Path]:
    """What the training starts from: the model of a run, what its ids mean, and its vocabulary.

    Raises:
        InputError: one of them is not there.
    """
    if cfg.start_from is None:
        return []
    model = cfg.start_from / "model"
    paths = [model / saved.BEST, model / saved.META, cfg.start_from / "vocabulary" / FILE]
    for path in paths:
        if not path.exists():
            raise InputError(
                f"model.start_from: {str(cfg.start_from)!r} is no run with a trained model: "
                f"it has no {path.relative_to(cfg.start_from)}"
            )
    return paths


def shaped_as_start(cfg: ModelConfig) -> ModelConfig:
    """`cfg` with the shape of the model that it starts from, where it leaves that open."""
    if cfg.start_from is None:
        return cfg
    old = T5Config.from_pretrained(cfg.start_from / "model" / saved.BEST)
    shape = {option: getattr(old, name) for option, name in _SHAPE.items() if getattr(cfg, option) is None}
    return cfg.model_copy(update=shape)


def start(
    network: T5ForConditionalGeneration, run: Path, words: Vocabulary, categories: Sequence[str]
) -> None:
    """Give `network` the weights of the model of `run`, and rows of their own to tokens that it did not have.

    A new token starts as the mean of the two tokens that it is merged from: it stands for the features of
    both, so where the model has learned what they call for, the mean calls for a bit of each. Embeddings and
    output layer are one matrix, so this holds for reading the token and for writing it.

    Args:
        network: built for `words`.
        run: a run folder.
        words: the vocabulary, which must begin with that of `run`.
        categories: names of the items' categories.

    Raises:
        InputError: the vocabularies, the categories or the shapes do not go together.
    """
    old, meta = saved.load(run / "model", "cpu")
    old_words = Vocabulary.load(run / "vocabulary" / FILE)
    meta.check(old_words)
    _check_words(run, old_words, words)
    if meta.categories != list(categories):
        raise InputError(
            f"the model of {run} was trained on the categories {', '.join(meta.categories)}, "
            f"the codes of this run are {', '.join(categories)}"
        )
    _check_shape(run, old, network)
    weights = dict(old.named_parameters())
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter is network.shared.weight:
                _grow(parameter, weights[name], words)
            else:
                parameter.copy_(weights[name])
    log.logger.info(
        "model: starts from %s: %d tokens are kept, %d are new",
        run,
        len(old_words) - 1,
        len(words) - len(old_words),
    )


def _grow(rows: Tensor, old: Tensor, words: Vocabulary) -> None:
    """Rows of known ids as they were; those behind them, which are merges all, from their parts."""
    rows[: len(old)] = old
    for row in range(len(old), n_model_ids(words)):
        left, right = words.merges[row - OFFSET - words.n_initial].tolist()
        rows[row] = (rows[left + OFFSET] + rows[right + OFFSET]) / 2


def _check_words(run: Path, old: Vocabulary, new: Vocabulary) -> None:
    hint = "let this run's vocabulary grow from it: set vocabulary.start_from to its vocabulary.json"
    if old.initial_tokens != new.initial_tokens:
        raise InputError(
            f"the vocabulary of {run} has {old.n_initial - 1} features, which are not the "
            f"{new.n_initial - 1} of this run's",
            hint=hint,
        )
    n = len(old.merges)
    if n > len(new.merges):
        raise InputError(
            f"the vocabulary of {run} has {len(old)} tokens, this run's only {len(new)}",
            hint=f"set vocabulary.size to {len(old)} or more",
        )
    differ = (old.merges != new.merges[:n]).any(axis=1)
    if differ.any():
        token = old.n_initial + int(differ.argmax())
        raise InputError(
            f"the vocabulary of {run} is not the beginning of this run's: token {token} is another merge",
            hint=hint,
        )


def _check_shape(run: Path, old: T5ForConditionalGeneration, new: T5ForConditionalGeneration) -> None:
    for option, name in _SHAPE.items():
        there, here = getattr(old.config, name), getattr(new.config, name)
        if there != here:
            raise InputError(
                f"the model of {run} has {option} = {there}, this run asks for {here}",
                hint=f"set model.{option} = {there}",
            )

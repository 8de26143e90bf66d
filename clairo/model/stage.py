"""The model stage: vocabulary, codes and sequences to a trained model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from clairo import rng
from clairo.artifacts import Codes, Sequences
from clairo.errors import InputError
from clairo.model import network, saved
from clairo.model.checkpoint import Checkpoints
from clairo.model.examples import Batches, Examples
from clairo.model.loss import TrieLoss, VocabularyLoss
from clairo.model.start import start
from clairo.model.train import Trainer, make_accelerator
from clairo.model.validate import Validation
from clairo.tokens import Trie, n_model_ids
from clairo.vocabulary import Vocabulary

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from clairo.config import ModelConfig

HISTORY = "history.json"
# Between attempts at one training; what `start_from` holds is part of the stage's fingerprint.
_MAY_CHANGE = {"device", "max_minutes", "checkpoint_minutes", "start_from"}


def make(
    cfg: ModelConfig, *, vocabulary: Path, codes: Path, sequences: Path, out: Path, seed: int
) -> dict[str, Any]:
    """Train a model and leave `best/`, `model.json` and `history.json` in `out`.

    Its weights are drawn at random, or start from those of the run `cfg.start_from`.

    What an earlier attempt left in `out` is gone on from, as if there had been no interruption.

    Args:
        cfg: the `[model]` table.
        vocabulary: folder of the vocabulary stage.
        codes: folder of the codes stage.
        sequences: folder of the sequences stage.
        out: folder to write.
        seed: of weights, batches, permutations, dropout and the validation sample.

    Returns:
        Parameters, examples, epochs, best epoch and its validation metrics, steps a second, seconds.

    Raises:
        InputError: the inputs do not fit one another, or there is nothing to train or to validate on.
        ClairoError: the loss became no number, or an accelerator ran out of memory.
    """
    checkpoints = Checkpoints(out / "last", _settings(cfg, seed))
    if not (out / saved.META).is_file():
        words = Vocabulary.load(vocabulary / "vocabulary.json")
        items, histories = Codes.load(codes), Sequences.load(sequences)
        _check(words, items, histories)
        _train(cfg, words, items, histories, checkpoints, out, seed)
    checkpoints.clear()
    return _summary(saved.load_meta(out), json.loads((out / HISTORY).read_text("utf-8")))


def _train(
    cfg: ModelConfig,
    words: Vocabulary,
    items: Codes,
    histories: Sequences,
    checkpoints: Checkpoints,
    out: Path,
    seed: int,
) -> None:
    examples = Examples.of(*histories.training(), cfg.max_history)
    validate = Validation(
        histories,
        words,
        items.features,
        users=cfg.validation_users,
        beams=cfg.validation_beams,
        max_history=cfg.max_history,
        seed=seed,
    )
    model = network.build(
        n_model_ids=n_model_ids(words),
        layers=cfg.layers,
        d_model=cfg.d_model,
        d_ff=cfg.d_ff,
        heads=cfg.heads,
        d_kv=cfg.d_kv,
        dropout=cfg.dropout,
        seed=rng.derive(seed, "weights"),
    )
    if cfg.start_from is not None:
        start(model, cfg.start_from, words, items.names)
    trainer = Trainer(
        model,
        Batches(examples, words, items.features, batch_size=cfg.batch_size, seed=seed),
        _loss(cfg, words, items),
        validate,
        checkpoints,
        make_accelerator(cfg.device, cfg.precision),
        seed=seed,
        epochs=cfg.epochs,
        learning_rate=cfg.learning_rate,
        weight_decay=cfg.weight_decay,
        warmup_steps=cfg.warmup_steps,
        gradient_norm=cfg.gradient_norm,
        patience=cfg.patience,
        evaluate_every=cfg.evaluate_every,
        checkpoint_minutes=cfg.checkpoint_minutes,
        max_minutes=cfg.max_minutes,
    )
    trainer.run()
    trainer.load_best()
    progress = trainer.progress
    (out / HISTORY).write_text(json.dumps(progress.history, indent=1) + "\n", "utf-8")
    meta = saved.Meta(
        vocabulary_size=len(words),
        categories=items.names,
        max_history=cfg.max_history,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        examples=len(examples),
        epochs=progress.epoch,
        best_epoch=progress.best_epoch,
        validation=progress.best,
    )
    saved.save(out, model, meta)


def _loss(cfg: ModelConfig, words: Vocabulary, items: Codes) -> nn.Module:
    if cfg.softmax == "vocabulary":
        return VocabularyLoss(cfg.label_smoothing)
    return TrieLoss(Trie.build(*words.canonical(items.features)), cfg.label_smoothing)


def _check(words: Vocabulary, items: Codes, histories: Sequences) -> None:
    if items.ids.tolist() != histories.items.tolist():
        raise InputError(
            f"the codes are of {len(items.ids)} items, the sequences of {histories.n_items} others",
            hint="codes and sequences are of different runs: run the codes stage again",
        )
    if words.n_categories != len(items.names):
        raise InputError(
            f"the vocabulary has {words.n_categories} categories, the codes have {len(items.names)}",
            hint="vocabulary and codes are of different runs: run the vocabulary stage again",
        )


def _settings(cfg: ModelConfig, seed: int) -> dict[str, Any]:
    """What must not change between the attempts at one training."""
    return {"seed": seed, **cfg.model_dump(mode="json", exclude=_MAY_CHANGE)}


def _summary(meta: saved.Meta, history: list[dict[str, Any]]) -> dict[str, Any]:
    seconds = sum(entry["seconds"] for entry in history)
    return {
        "parameters": meta.parameters,
        "examples": meta.examples,
        "epochs": meta.epochs,
        "best_epoch": meta.best_epoch,
        **{f"validation {name}": value for name, value in meta.validation.items()},
        "steps_per_second": sum(entry["steps"] for entry in history) / max(seconds, 1e-9),
        "seconds": seconds + sum(entry.get("validation_seconds", 0.0) for entry in history),
    }

"""The model stage: vocabulary, codes and sequences to a trained model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from clairo import processes, rng
from clairo.artifacts import Codes, Sequences
from clairo.errors import InputError
from clairo.model import network, saved
from clairo.model.checkpoint import Checkpoints, Progress
from clairo.model.examples import Batches, Examples
from clairo.model.group import Group
from clairo.model.loss import TrieLoss, VocabularyLoss
from clairo.model.size import Size, size_for
from clairo.model.soft_targets import SoftTargets
from clairo.model.start import shaped_as_start, start
from clairo.model.tracking import Track
from clairo.model.train import Trainer, make_accelerator
from clairo.model.validate import Validation
from clairo.tokens import Reading, Trie, n_model_ids
from clairo.vocabulary import FILE, Vocabulary, scope

if TYPE_CHECKING:
    from pathlib import Path

    from accelerate import Accelerator
    from transformers import T5ForConditionalGeneration

    from clairo.config import ModelConfig

HISTORY, OPTIONS, LAST = "history.json", "options.json", "last"
# Between attempts at one training; what `start_from` holds is part of the stage's fingerprint.
_MAY_CHANGE = {"device", "max_minutes", "checkpoint_minutes", "accumulate", "tracker", "start_from"}


def make(
    cfg: ModelConfig,
    *,
    vocabulary: Path,
    codes: Path,
    sequences: Path,
    out: Path,
    seed: int,
    logs: Path | None = None,
) -> dict[str, Any]:
    """Train a model and leave `best/`, `model.json`, `options.json` and `history.json` in `out`.

    Its weights are drawn at random, or start from those of the run `cfg.start_from`.

    What an earlier attempt left in `out` is gone on from, as if there had been no interruption.

    If a launcher started several processes, all of them call this, and train together; the main one writes.

    Args:
        cfg: the `[model]` table.
        vocabulary: folder of the vocabulary stage.
        codes: folder of the codes stage.
        sequences: folder of the sequences stage.
        out: folder to write.
        seed: of weights, batches, permutations, dropout and the validation sample.
        logs: folder for the files of `cfg.tracker`; `logs` beside `out` if left out.

    Returns:
        Parameters, examples, epochs, best epoch and its validation metrics, steps a second, seconds; nothing
        in a process that is not the main one.

    Raises:
        InputError: the inputs do not fit one another, there is nothing to train or to validate on, or the
            tracker is not there.
        ClairoError: the loss became no number, or an accelerator ran out of memory.
    """
    if not (out / saved.META).is_file():
        data = _Data(
            Vocabulary.load(vocabulary / FILE),
            Codes.load(codes),
            Sequences.load(sequences),
            Reading(across=scope.across(vocabulary), permute=cfg.permute, whole=cfg.reads == "actions"),
        )
        data.check()
        examples = Examples.of(*data.histories.training(), cfg.max_history)
        cfg = shaped_as_start(cfg)
        accelerator = make_accelerator(
            cfg.device, cfg.precision, tracker=cfg.tracker, logs=logs or out.parent / "logs"
        )
        _train(cfg, size_for(cfg, len(examples)), data, examples, accelerator, out, seed)
    if not processes.is_main():
        return {}
    Checkpoints(out / LAST, {}).clear()
    return _summary(saved.load_meta(out), json.loads((out / HISTORY).read_text("utf-8")))


@dataclass(frozen=True)
class _Data:
    """What the stages before this one made, and how histories of it are read."""

    words: Vocabulary
    items: Codes
    histories: Sequences
    reading: Reading

    def check(self) -> None:
        """Raise InputError if they are of different runs."""
        words, items = self.words, self.items
        if items.ids.tolist() != self.histories.items.tolist():
            raise InputError(
                f"the codes are of {len(items.ids)} items, the sequences of {self.histories.n_items} others",
                hint="codes and sequences are of different runs: run the codes stage again",
            )
        if words.n_categories != len(items.names):
            raise InputError(
                f"the vocabulary has {words.n_categories} categories, the codes have {len(items.names)}",
                hint="vocabulary and codes are of different runs: run the vocabulary stage again",
            )


def _train(
    cfg: ModelConfig,
    size: Size,
    data: _Data,
    examples: Examples,
    accelerator: Accelerator,
    out: Path,
    seed: int,
) -> None:
    settings = _settings(cfg, size, accelerator, seed)
    group = Group(accelerator.process_index, accelerator.num_processes, accelerator.device)
    model = _network(cfg, size, data, seed)
    trainer = Trainer(
        model,
        Batches(
            examples,
            data.words,
            data.items.features,
            batch_size=size.batch_size,
            seed=seed,
            reading=data.reading,
            soft=_soft_targets(cfg, data, examples, seed),
        ),
        _loss(cfg, data),
        _validation(cfg, data, group, seed),
        Checkpoints(out / LAST, settings),
        accelerator,
        group,
        Track(accelerator, settings, is_main=group.is_main),
        accumulate=cfg.accumulate,
        seed=seed,
        epochs=size.epochs,
        learning_rate=cfg.learning_rate,
        embedding_rate=cfg.embedding_rate,
        weight_decay=cfg.weight_decay,
        warmup_steps=cfg.warmup_steps,
        gradient_norm=cfg.gradient_norm,
        patience=cfg.patience,
        evaluate_every=cfg.evaluate_every,
        checkpoint_minutes=cfg.checkpoint_minutes,
        max_minutes=cfg.max_minutes,
    )
    trainer.run()
    if group.is_main:
        trainer.load_best()
        (out / OPTIONS).write_text(json.dumps(settings, indent=1) + "\n", "utf-8")
        _write(cfg, data, trainer.progress, model, len(examples), out)


def _network(cfg: ModelConfig, size: Size, data: _Data, seed: int) -> T5ForConditionalGeneration:
    """The network to train, with the weights it starts from."""
    model = network.build(
        n_model_ids=n_model_ids(data.words),
        layers=size.layers,
        d_model=size.d_model,
        d_ff=size.d_ff,
        heads=size.heads,
        d_kv=size.d_kv,
        dropout=size.dropout,
        seed=rng.derive(seed, "weights"),
    )
    if cfg.start_from is not None:
        start(model, cfg.start_from, data.words, data.items.names)
    return model


def _soft_targets(cfg: ModelConfig, data: _Data, examples: Examples, seed: int) -> SoftTargets | None:
    if not cfg.soft_targets.share:
        return None
    return SoftTargets.fit(data.histories, examples, cfg.soft_targets, seed)


def _validation(cfg: ModelConfig, data: _Data, group: Group, seed: int) -> Validation:
    return Validation(
        data.histories,
        data.words,
        data.items.features,
        users=cfg.validation_users,
        beams=cfg.validation_beams,
        max_history=cfg.max_history,
        seed=seed,
        group=group,
        reading=data.reading,
    )


def _write(
    cfg: ModelConfig,
    data: _Data,
    progress: Progress,
    model: T5ForConditionalGeneration,
    n_examples: int,
    out: Path,
) -> None:
    """Write what a training came to; `model` has the best weights."""
    (out / HISTORY).write_text(json.dumps(progress.history, indent=1) + "\n", "utf-8")
    meta = saved.Meta(
        vocabulary_size=len(data.words),
        categories=data.items.names,
        max_history=cfg.max_history,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        examples=n_examples,
        epochs=progress.epoch,
        best_epoch=progress.best_epoch,
        validation=progress.best,
        vocabulary=saved.digest(data.words),
        **asdict(data.reading),
    )
    saved.save(out, model, meta)


def _loss(cfg: ModelConfig, data: _Data) -> TrieLoss | VocabularyLoss:
    if cfg.softmax == "vocabulary":
        return VocabularyLoss(cfg.label_smoothing)
    return TrieLoss(Trie.build(*data.words.canonical(data.items.features)), cfg.label_smoothing)


def _settings(cfg: ModelConfig, size: Size, accelerator: Accelerator, seed: int) -> dict[str, Any]:
    """What must not change between the attempts at one training, with nothing left open."""
    said = cfg.model_dump(mode="json", exclude=_MAY_CHANGE)
    return {"seed": seed, **said, **asdict(size), "precision": accelerator.mixed_precision}


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

"""The vocabulary stage: merges learned on the training histories, to the letter of the specification."""

from pathlib import Path
from typing import Any

from clairo import log
from clairo.artifacts import Codes, Sequences, store
from clairo.config import VocabularyConfig
from clairo.vocabulary.table import Vocabulary

FILE = "vocabulary.json"


def make(cfg: VocabularyConfig, *, codes: Path, sequences: Path, out: Path, seed: int) -> dict[str, Any]:
    """Train the vocabulary on training events and write `vocabulary.json` and `report.json` into `out`.

    All values below each cardinality get a token, so that items added later have tokens. Nothing is random
    here: `seed` is taken because every stage takes it.
    """
    del seed
    table, histories = Codes.load(codes), Sequences.load(sequences)
    offsets, events = histories.training()
    with log.step("merge tokens", total=cfg.size) as step:
        done = 0

        def progress(now: int, _total: int) -> None:
            nonlocal done
            step.advance(now - done)
            done = now

        vocabulary = Vocabulary.train(
            table.features,
            offsets,
            events,
            size=cfg.size,
            cardinalities=table.cardinalities,
            threads=cfg.threads,
            progress=progress,
        )
        progress(len(vocabulary), cfg.size)
    if len(vocabulary) < cfg.size:
        log.logger.warning(
            "vocabulary: %d tokens instead of %d: no two tokens are left that stand together",
            len(vocabulary),
            cfg.size,
        )
    vocabulary.save(out / FILE)
    summary = _summary(vocabulary, table, histories, cfg.size)
    store.write_json(out / "report.json", summary)
    return summary


def _summary(vocabulary: Vocabulary, table: Codes, histories: Sequences, asked: int) -> dict[str, Any]:
    offsets, events = histories.training()
    _, token_offsets = vocabulary.encode(table.features, offsets, events, seed=0)
    _, item_offsets = vocabulary.canonical(table.features)
    return {
        "asked": asked,
        "size": len(vocabulary),
        "initial": vocabulary.n_initial,
        "merges": len(vocabulary.merges),
        "features_in_training": len(events) * table.features.shape[1],
        "tokens_in_training": int(token_offsets[-1]),
        "tokens_per_item": float(item_offsets[-1]) / len(table.ids),
    }

"""The vocabulary stage: merges learned on the training histories, to the letter of the specification."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from clairo import log
from clairo.artifacts import Codes, Sequences, store
from clairo.errors import InputError
from clairo.vocabulary import scope
from clairo.vocabulary.table import Vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from clairo.config import VocabularyConfig

    _Corpus = tuple[NDArray[np.int64], NDArray[np.uint32]]

FILE = "vocabulary.json"
MERGES = "merges.parquet"


def inputs(cfg: VocabularyConfig) -> list[Path]:
    """The vocabulary that is expanded, if one is.

    Raises:
        InputError: there is no such file.
    """
    if cfg.start_from is None:
        return []
    if not cfg.start_from.is_file():
        raise InputError(
            f"vocabulary.start_from: {str(cfg.start_from)!r} is no file",
            hint="that of a run lies in it as vocabulary/vocabulary.json",
        )
    return [cfg.start_from]


def make(cfg: VocabularyConfig, *, codes: Path, sequences: Path, out: Path, seed: int) -> dict[str, Any]:
    """Learn the vocabulary on training events, or expand that of `cfg.start_from` on them.

    Writes `vocabulary.json`, `merges.parquet` (the merge log: see `Vocabulary.merge_log`, here with
    `corpus_tokens`, how many tokens the training histories have after the merge; parquet, because it keeps
    types and lists of names) and `report.json` into `out`, and `scope.json` where merges stay inside actions.

    All values below each cardinality get a token, so that items added later have tokens. Nothing is random
    here: `seed` is taken because every stage takes it.
    """
    del seed
    for left in out.glob(f"{FILE}.*.tmp"):  # of a process that was killed as it saved
        left.unlink()
    table, corpus = Codes.load(codes), _corpus(Sequences.load(sequences), across=cfg.across)
    old = None if cfg.start_from is None else Vocabulary.load(cfg.start_from)
    if old is None:
        vocabulary = _train(table, corpus, cfg.size, cfg.threads)
    else:
        vocabulary = _expand(old, table, corpus, cfg.size, cfg.threads)
    vocabulary.save(out / FILE)
    scope.save(out, across=cfg.across)
    summary = _summary(vocabulary, table, corpus, cfg.size) | _replayed(old)
    # Old merges were counted on another corpus: how this one shrank under them is not known.
    n_features = summary["features_in_training"] if old is None else None
    _write_merges(out / MERGES, vocabulary, table, n_features)
    store.write_json(out / "report.json", summary)
    return summary


def expand(
    old: Vocabulary,
    table: Codes,
    histories: Sequences,
    size: int,
    threads: int | None = None,
    *,
    across: bool = True,
) -> Vocabulary:
    """`old` expanded to `size` on training events; progress shows.

    `across` says whether new merges reach across actions.

    Raises:
        InputError: an item has a code without a token, or as for `Vocabulary.expand`.
    """
    return _expand(old, table, _corpus(histories, across=across), size, threads)


def _corpus(histories: Sequences, *, across: bool) -> _Corpus:
    """Offsets and events of training."""
    offsets, events = histories.training()
    return offsets if across else scope.alone(events), events


def _expand(old: Vocabulary, table: Codes, corpus: _Corpus, size: int, threads: int | None) -> Vocabulary:
    check_codes(old, table)
    with _merging(size) as progress:
        vocabulary = old.expand(table.features, *corpus, size=size, threads=threads, progress=progress)
    return _told(vocabulary, size)


def _train(table: Codes, corpus: _Corpus, size: int, threads: int | None) -> Vocabulary:
    with _merging(size) as progress:
        vocabulary = Vocabulary.train(
            table.features,
            *corpus,
            size=size,
            cardinalities=table.cardinalities,
            threads=threads,
            progress=progress,
        )
    return _told(vocabulary, size)


@contextmanager
def _merging(size: int) -> Iterator[Callable[[int, int], None]]:
    with log.step("merge tokens", total=size) as step:
        done = 0

        def progress(now: int, total: int) -> None:
            nonlocal done
            now += size - total  # the initial tokens are there from the start
            step.advance(now - done)
            done = now

        yield progress


def _told(vocabulary: Vocabulary, size: int) -> Vocabulary:
    if len(vocabulary) < size:
        log.logger.warning(
            "vocabulary: %d tokens instead of %d: no two tokens are left that stand together",
            len(vocabulary),
            size,
        )
    return vocabulary


def check_codes(old: Vocabulary, table: Codes) -> None:
    """Refuse codes that have no token.

    The core would say it too, but it does not know what items and categories are called.
    """
    if old.n_categories != len(table.names):
        raise InputError(
            f"the vocabulary has {old.n_categories} categories, the codes have {len(table.names)}: "
            f"{', '.join(table.names)}"
        )
    for place, name in enumerate(table.names):
        known = [value for category, value in old.initial_tokens if category == place]
        beyond = np.flatnonzero(~np.isin(table.features[:, place], known))
        if len(beyond):
            row = beyond[0]
            room = f"cardinality {old.cardinalities[place]}" if old.cardinalities else "only the values seen"
            raise InputError(
                f"item {str(table.ids[row])!r} has {name} = {table.features[row, place]}, but the vocabulary "
                f"was trained with {room} there ({len(beyond)} items have such values)",
                hint="give these items codes that have tokens, or train a new vocabulary; codes.values and "
                "codes.disambiguation_values set how many values a vocabulary has room for",
            )


def _summary(vocabulary: Vocabulary, table: Codes, corpus: _Corpus, asked: int) -> dict[str, Any]:
    offsets, events = corpus
    encoder = vocabulary.encoder(table.features)
    _, token_offsets = encoder.encode(offsets, events, seed=0)
    _, item_offsets = encoder.canonical()
    return {
        "asked": asked,
        "size": len(vocabulary),
        "initial": vocabulary.n_initial,
        "merges": len(vocabulary.merges),
        "features_in_training": len(events) * table.features.shape[1],
        "tokens_in_training": int(token_offsets[-1]),
        "tokens_per_item": float(item_offsets[-1]) / len(table.ids),
    }


def _replayed(old: Vocabulary | None) -> dict[str, int]:
    return {} if old is None else {"merges_taken_over": len(old.merges)}


def _write_merges(path: Path, vocabulary: Vocabulary, table: Codes, n_features: int | None) -> None:
    import polars as pl

    left = pl.lit(n_features, pl.UInt64) - (pl.col("inside") + pl.col("across")).cum_sum()
    vocabulary.merge_log(table.names).with_columns(corpus_tokens=left).write_parquet(path)

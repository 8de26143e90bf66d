"""The codes stage: vectors in, or codes from files; a unique row of codes an item out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from clairo import log, rng
from clairo.artifacts import Codes, Embedding, Sequences, store
from clairo.artifacts.codes import FILE
from clairo.codes import disambiguation, files, quality
from clairo.config import CodesConfig
from clairo.errors import InputError

if TYPE_CHECKING:
    from clairo.codes.quantizer import Quantizer


@dataclass(frozen=True)
class _Group:
    """Categories that come from one quantizer or file.

    Attributes:
        name: what their names begin with.
        codes: (n_items, books) uint32.
        cardinality: of each category.
        facts: what the report says of the group.
        errors: relative error of each category's codebook, None where it is not known.
    """

    name: str
    codes: NDArray[np.uint32]
    cardinality: int
    facts: dict[str, Any]
    errors: list[float | None]


def inputs(cfg: CodesConfig) -> list[Path]:
    """The files of codes that the result depends on, and the codes that it starts from.

    Raises:
        InputError: none is set, or one is not there.
    """
    if cfg.source == "opq":
        return []
    if not cfg.files:
        raise InputError('codes.source = "files" needs codes.files')
    for path in cfg.files:
        if not path.is_file():
            raise InputError(f"codes.files: {str(path)!r} is no file")
    if cfg.start_from is None:
        return [*cfg.files]
    old = cfg.start_from / "codes" / FILE
    if not old.is_file():
        raise InputError(f"codes.start_from: {str(cfg.start_from)!r} is no run with codes")
    return [*cfg.files, old]


def make(cfg: CodesConfig, *, fused: Path | None, sequences: Path, out: Path, seed: int) -> dict[str, Any]:
    """Write `codes.npz`, `report.json` and, for `opq`, a FAISS index for each group of vectors.

    Quantizers learn from the items of the training split that have the group's vector, and code all items.

    Args:
        cfg: the section.
        fused: folder of the fused stage; None for `files`.
        sequences: folder of the sequences stage.
        out: folder to write to.
        seed: the run's seed.

    Returns:
        The report: collisions, and for every category its values, those used, perplexity and error.

    Raises:
        InputError: too few items for a codebook, too many on one row of codes, or a file of codes is wrong.
    """
    catalogue = Sequences.load(sequences)
    if cfg.source == "files":
        groups = _from_files(cfg.files, catalogue.items, cfg.values)
    else:
        groups = _quantized(cfg, fused, catalogue, out, seed)
    features = np.concatenate([group.codes for group in groups], axis=1)
    names = [f"{group.name} {book}" for group in groups for book in range(1, group.codes.shape[1] + 1)]
    names.append(disambiguation.NAME)
    last = disambiguation.disambiguate(
        features,
        cfg.disambiguation,
        values=cfg.disambiguation_values,
        generator=rng.generator(seed, "codes", "disambiguation"),
        kept=_kept(cfg, catalogue.items, names, features),
    )
    cardinalities = [group.cardinality for group in groups for _ in range(group.codes.shape[1])]
    codes = Codes(
        catalogue.items,
        np.column_stack([features, last]),
        names,
        [*cardinalities, cfg.disambiguation_values],
    )
    codes.save(out)
    report = _report(codes, groups)
    store.write_json(out / "report.json", report)
    return report


def _from_files(paths: tuple[Path, ...], items: NDArray[np.str_], values: int) -> list[_Group]:
    tables = [files.read(path, items, values=values) for path in paths]
    labels = [table.label for table in tables]
    if len(set(labels)) < len(labels):
        labels = [f"file {number}" for number in range(1, len(labels) + 1)]
    return [
        _Group(label, table.codes, values, {"file": path.name}, [None] * table.codes.shape[1])
        for label, table, path in zip(labels, tables, paths, strict=True)
    ]


def _kept(
    cfg: CodesConfig, items: NDArray[np.str_], names: list[str], features: NDArray[np.uint32]
) -> NDArray[np.int64] | None:
    """The disambiguation codes of items that the run of `start_from` has, -1 for others."""
    if cfg.start_from is None:
        return None
    old, where = Codes.load(cfg.start_from / "codes"), f"the run {cfg.start_from}"
    if old.names != names:
        raise InputError(
            f"the categories of codes.files are {', '.join(names)}, those of {where} {', '.join(old.names)}",
            hint="codes.start_from needs files of the same codebooks, in the same order",
        )
    row_of = {str(item): row for row, item in enumerate(old.ids)}
    rows = np.array([row_of.get(str(item), -1) for item in items])
    known, before = rows >= 0, old.features[rows]
    changed = np.flatnonzero(known & (before[:, :-1] != features).any(axis=1))
    if len(changed):
        item = changed[0]
        raise InputError(
            f"item {str(items[item])!r} has the codes {features[item].tolist()}, but "
            f"{before[item, :-1].tolist()} in {where} ({len(changed)} items changed theirs)",
            hint="codes.start_from needs files in which known items keep their codes",
        )
    kept = np.where(known, before[:, -1].astype(np.int64), -1)
    if kept.max(initial=-1) >= cfg.disambiguation_values:
        raise InputError(
            f"codes.disambiguation_values = {cfg.disambiguation_values}, but {where} uses {kept.max()}",
            hint=f"set codes.disambiguation_values = {old.cardinalities[-1]}",
        )
    return kept


def _quantized(
    cfg: CodesConfig, fused: Path | None, catalogue: Sequences, out: Path, seed: int
) -> list[_Group]:
    vectors = {name: group.aligned(catalogue.items) for name, group in vectors_of(fused).items()}
    training = catalogue.training_items()
    for name, embedding in vectors.items():  # all groups, before minutes go into the first
        _check_enough(int((training & embedding.present).sum()), name, cfg.values)
    return [
        _code(cfg, name, embedding, training, separate=len(vectors) > 1, out=out, seed=seed)
        for name, embedding in vectors.items()
    ]


def vectors_of(fused: Path | None) -> dict[str, Embedding]:
    """The vectors that the fused stage left, by group, in the order that its report states."""
    if fused is None:
        raise InputError('codes.source = "opq" needs the fused stage')
    order = store.read_json(fused / "report.json")["order"]
    if not order:
        raise InputError(f"{fused} holds no vectors", hint="run the fused stage again")
    return {name: Embedding.load(fused / f"{name}.npz") for name in order}


def _check_enough(n: int, name: str, values: int) -> None:
    if n >= values:
        return
    if n < 2:
        raise InputError(f"{n} items of the training split have {name} vectors: too few for a codebook")
    raise InputError(
        f"codes.values = {values} is more than the {n} items of the training split that have {name} vectors",
        hint=f"codes.values = {1 << (n.bit_length() - 1)} would fit",
    )


def _code(
    cfg: CodesConfig,
    name: str,
    embedding: Embedding,
    training: NDArray[np.bool_],
    *,
    separate: bool,
    out: Path,
    seed: int,
) -> _Group:
    """One group's quantizer and codes."""
    from clairo.codes.quantizer import Quantizer

    rows = training & embedding.present
    with log.step(f"quantize {name}", total=int(rows.sum())) as step:
        quantizer = Quantizer.train(
            embedding.vectors[rows],
            books=cfg.books,
            values=cfg.values,
            iterations=cfg.iterations,
            seed=rng.derive(seed, "codes", name),
        )
        step.advance(int(rows.sum()))
    quantizer.save(out / f"{name}.faiss")
    codes = encode(cfg, quantizer, embedding, separate=separate)
    errors = quantizer.errors(embedding.vectors[embedding.present])
    facts = {
        "width": embedding.width,
        "trained_on": int(rows.sum()),
        "without_vector": int((~embedding.present).sum()),
        "relative_error": round(errors.overall, 6),
    }
    return _Group(name, codes, cfg.values + separate, facts, [*errors.books])


def encode(
    cfg: CodesConfig, quantizer: "Quantizer", embedding: Embedding, *, separate: bool
) -> NDArray[np.uint32]:
    """Codes by one quantizer. In separate mode, an item without the vector has the extra value everywhere.

    Raises:
        InputError: the quantizer is of other vectors, or of another number of codes.
    """
    if (quantizer.width, quantizer.books, quantizer.values) != (embedding.width, cfg.books, cfg.values):
        raise InputError(
            f"the quantizer makes {quantizer.books} codes below {quantizer.values} of vectors "
            f"{quantizer.width} wide, but {cfg.books} below {cfg.values} of {embedding.width} are wanted"
        )
    codes, absent = quantizer.encode(embedding.vectors), ~embedding.present
    if separate:
        codes[absent] = cfg.values
    elif absent.any():
        log.logger.warning("codes: %d items have no vector and are coded as the average item", absent.sum())
    return codes


def categories(codes: Codes) -> list[dict[str, Any]]:
    """How each codebook is used."""
    return [
        {"name": name, **quality.usage(codes.features[:, place], values)}
        for place, (name, values) in enumerate(zip(codes.names, codes.cardinalities, strict=True))
    ]


def _report(codes: Codes, groups: list[_Group]) -> dict[str, Any]:
    books = categories(codes)
    errors = [error for group in groups for error in group.errors]
    for category, error in zip(books, errors, strict=False):  # the disambiguation has none
        if error is not None:
            category["relative_error"] = round(error, 6)
    return {
        "items": len(codes.ids),
        "collisions": quality.collisions(codes.features[:, :-1]),
        "groups": {group.name: group.facts for group in groups},
        "categories": books,
    }

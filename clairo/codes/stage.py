"""The codes stage: vectors in, or codes from files; a unique row of codes an item out."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo import log, rng
from clairo.artifacts import Codes, Embedding, Sequences, store
from clairo.artifacts.codes import FILE
from clairo.codes import balance, control, disambiguation, files, kinds, nearest, quality
from clairo.codes.quantizer import Quantizer, relative_error
from clairo.config import CodesConfig
from clairo.errors import InputError
from clairo.threads import one_of_blas


@dataclass(frozen=True)
class _Group:
    """Categories that come from one quantizer or file.

    Attributes:
        name: what their names begin with.
        codes: (n_items, books) uint32.
        cardinality: of each category.
        facts: what the report says of the group.
        quantizer: what made the codes, None for files and random codes.
        embedding: the vectors that they are of, with the quantizer.
    """

    name: str
    codes: NDArray[np.uint32]
    cardinality: int
    facts: dict[str, Any] = field(default_factory=dict)
    quantizer: Quantizer | None = None
    embedding: Embedding | None = None


def inputs(cfg: CodesConfig) -> list[Path]:
    """The files of codes that the result depends on, and the codes that it starts from.

    Raises:
        InputError: none is set, or one is not there.
    """
    if cfg.source != "files":
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


@one_of_blas()
def make(cfg: CodesConfig, *, fused: Path | None, sequences: Path, out: Path, seed: int) -> dict[str, Any]:
    """Write `codes.npz`, `report.json` and the quantizer of each group of vectors.

    Quantizers learn from the items of the training split that have the group's vector, and code all items.
    What sets items apart after that, `balanced` and `disambiguation`, looks at all items and their vectors,
    and at no history.

    Args:
        cfg: the section.
        fused: folder of the fused stage; None for `files`.
        sequences: folder of the sequences stage.
        out: folder to write to.
        seed: the run's seed.

    Returns:
        The report: collisions, for every group the relative error of its reconstructions and the share of
        neighbours that they keep, and for every category its values, those used, perplexity and error. All
        of it is of the codes as they are written.

    Raises:
        InputError: too few items for a codebook, too many on one row of codes, or a file of codes is wrong.
    """
    catalogue = Sequences.load(sequences)
    if cfg.source == "files":
        groups = _from_files(cfg.files, catalogue.items, cfg.values)
    else:
        groups = _quantized(cfg, fused, catalogue, out, seed)
    if cfg.disambiguation == "nearest":
        groups = _moved(groups)
    features = np.concatenate([group.codes for group in groups], axis=1)
    names = [f"{group.name} {book}" for group in groups for book in range(1, group.codes.shape[1] + 1)]
    names.append(disambiguation.NAME)
    last = disambiguation.disambiguate(
        features,
        numbering(cfg),
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
    report = _report(codes, groups, seed)
    store.write_json(out / "report.json", report)
    kinds.clear(out)
    return report


def _from_files(paths: tuple[Path, ...], items: NDArray[np.str_], values: int) -> list[_Group]:
    tables = [files.read(path, items, values=values) for path in paths]
    labels = [table.label for table in tables]
    if len(set(labels)) < len(labels):
        labels = [f"file {number}" for number in range(1, len(labels) + 1)]
    return [
        _Group(label, table.codes, values, {"source": "files", "file": path.name})
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
    names, training = groups_in(fused), catalogue.training_items()
    for name in cfg.groups:
        if name not in names:
            raise InputError(f"codes.groups.{name}: the groups of vectors are {', '.join(names)}")
    vectors = {name: group.aligned(catalogue.items) for name, group in vectors_of(cfg, fused).items()}
    items = {name: int((training & group.present).sum()) for name, group in vectors.items()}
    _check_enough(items, cfg)  # all groups, before minutes go into the first
    return [
        _code(cfg.of(name), name, vectors[name], training, separate=len(names) > 1, out=out, seed=seed)
        if name in vectors
        else _random(cfg.of(name), name, catalogue.items, seed)
        for name in names
    ]


def groups_in(fused: Path | None) -> list[str]:
    """Names of the groups of vectors that the fused stage left, in the order of their codes."""
    if fused is None:
        raise InputError("codes of vectors need the fused stage")
    names: list[str] = store.read_json(fused / "report.json")["order"]
    if not names:
        raise InputError(f"{fused} holds no vectors", hint="run the fused stage again")
    return names


def vectors_of(cfg: CodesConfig, fused: Path | None) -> dict[str, Embedding]:
    """The vectors that the fused stage left, by group; none of groups whose codes are random."""
    quantized = [name for name in groups_in(fused) if cfg.of(name).source != "random"]
    return {name: Embedding.load(Path(str(fused)) / f"{name}.npz") for name in quantized}


def _random(cfg: CodesConfig, name: str, items: NDArray[np.str_], seed: int) -> _Group:
    codes = control.random_codes(items, group=name, books=cfg.books, values=cfg.values, seed=seed)
    return _Group(name, codes, cfg.values, {"source": cfg.source})


def _check_enough(items: dict[str, int], cfg: CodesConfig) -> None:
    """Refuse a codebook with more entries than the training split has items with the group's vector."""
    few = {name: n for name, n in items.items() if n < cfg.of(name).values}
    for name, n in few.items():
        if n < 2:
            raise InputError(f"{n} items of the training split have {name} vectors: too few for a codebook")
        own = f"codes.groups.{name}.values"
        option = own if name in cfg.groups and cfg.groups[name].values else "codes.values"
        fitting = own if len(few) < len(items) else option  # what leaves groups that fit as they are
        raise InputError(
            f"{option} = {cfg.of(name).values} is more than the {n} items of the training split that have "
            f"{name} vectors",
            hint=f"{fitting} = {1 << (n.bit_length() - 1)} would fit",
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
    rows = training & embedding.present
    quantizer = kinds.train(
        cfg, embedding.vectors[rows], group=name, out=out, seed=rng.derive(seed, "codes", name)
    )
    codes = encode(cfg, quantizer, embedding, separate=separate)
    facts = {
        "source": cfg.source,
        "width": embedding.width,
        "trained_on": int(rows.sum()),
        "without_vector": int((~embedding.present).sum()),
    }
    if cfg.balanced:
        before, present = codes.copy(), embedding.present
        codes[present] = balance.balanced(quantizer, embedding.vectors[present], codes[present])
        facts["balanced"] = int((codes != before).any(axis=1).sum())
    return _Group(name, codes, cfg.values + separate, facts, quantizer, embedding)


def encode(
    cfg: CodesConfig, quantizer: Quantizer, embedding: Embedding, *, separate: bool
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


def numbering(cfg: CodesConfig) -> disambiguation.Method:
    """How items are numbered that still share a row when codes are final."""
    return "random" if cfg.disambiguation == "random" else "sequential"


def _moved(groups: list[_Group]) -> list[_Group]:
    """The groups with no two items on one row, where vectors tell which row is next."""
    features = np.concatenate([group.codes for group in groups], axis=1)
    made = nearest.moved(features, _contents(groups))
    log.logger.info("codes: %d items took another row of codes", (made != features).any(axis=1).sum())
    ends = np.cumsum([group.codes.shape[1] for group in groups])
    parts = np.split(made, ends[:-1], axis=1)
    return [
        replace(
            group,
            codes=part,
            facts=group.facts | {"moved": int((part != group.codes).any(axis=1).sum())},
        )
        for group, part in zip(groups, parts, strict=True)
    ]


def _contents(groups: list[_Group]) -> list[nearest.Content]:
    contents, first = [], 0
    for group in groups:
        if group.quantizer is not None and group.embedding is not None:
            vectors, present = group.embedding.vectors, group.embedding.present
            contents.append(nearest.Content(group.quantizer, vectors, present, first))
        first += group.codes.shape[1]
    return contents


def categories(codes: Codes) -> list[dict[str, Any]]:
    """How each codebook is used."""
    return [
        {"name": name, **quality.usage(codes.features[:, place], values)}
        for place, (name, values) in enumerate(zip(codes.names, codes.cardinalities, strict=True))
    ]


def _report(codes: Codes, groups: list[_Group], seed: int) -> dict[str, Any]:
    books, place = categories(codes), 0
    for group in groups:
        if group.quantizer is not None and group.embedding is not None:
            measured, errors = _measured(group.name, group.quantizer, group.embedding, group.codes, seed)
            group.facts.update(measured)
            for category, error in zip(books[place:], errors, strict=False):
                category["relative_error"] = round(error, 6)
        place += group.codes.shape[1]
    return {
        "items": len(codes.ids),
        "collisions": quality.collisions(codes.features[:, :-1]),
        "groups": {group.name: group.facts for group in groups},
        "categories": books,
    }


def _measured(
    name: str, quantizer: Quantizer, embedding: Embedding, codes: NDArray[np.uint32], seed: int
) -> tuple[dict[str, Any], list[float]]:
    """What codes keep of the vectors of the items that have one, and the error of each codebook."""
    vectors, codes = embedding.vectors[embedding.present], codes[embedding.present]
    decoded = quantizer.decode(codes)
    facts: dict[str, Any] = {"relative_error": round(relative_error(vectors, decoded), 6)}
    kept = quality.neighbours_kept(vectors, decoded, rng.generator(seed, "codes", "neighbours", name))
    if kept is not None:
        facts["neighbours_kept"] = round(kept, 4)
    return facts, quantizer.book_errors(vectors, codes)

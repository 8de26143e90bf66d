"""Codes of items that are added to a run, by the quantizers and in the room that it has."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo import rng
from clairo.artifacts import Codes, Sequences, store
from clairo.codes import balance, control, disambiguation, files, kinds, nearest, quality
from clairo.codes.stage import categories, encode, groups_in, numbering, vectors_of
from clairo.config import CodesConfig
from clairo.errors import InputError
from clairo.threads import one_of_blas


@one_of_blas()
def extend(
    cfg: CodesConfig, *, old: Path, fused: Path | None, sequences: Path, out: Path, seed: int
) -> dict[str, Any]:
    """Write the codes of `old`, then those of the items that `sequences` has more, by the same quantizers.

    Items of `old` keep all their codes. A new item gets a disambiguation code that is free on its row of
    codes, by the method of the section; only `nearest` moves it to another row, if its own is taken. With
    `balanced`, new items share what room the old ones leave to the last code. Random codes are those that
    the item would have had in the run.

    Args:
        cfg: the section; its `files` must name the new items by their original ids.
        old: folder of the codes stage of the run that items are added to.
        fused: folder of the fused stage with the items added; None for `files`.
        sequences: folder of the sequences with the items added.
        out: folder to write to.
        seed: the run's seed.

    Returns:
        The report, as of `make`, of all items; `new_without_vector` says how many new ones have no content.

    Raises:
        InputError: new items have no codes, codes of other categories, or no room on their row of codes.
    """
    before, ids = Codes.load(old), Sequences.load(sequences).items
    new = ids[len(before.ids) :]
    if cfg.source == "files":
        features, without = np.concatenate([before.features[:, :-1], _new_from_files(cfg, new, before)]), 0
    else:
        groups = _groups(cfg, old, fused, ids, before, out, seed)
        features, without = _quantized(cfg, groups, before, len(new))
    last = room(features, before, new, cfg, seed)
    features = np.column_stack([features, np.concatenate([before.features[:, -1], last])]).astype(np.uint32)
    made = Codes(ids, features, before.names, before.cardinalities)
    made.save(out)
    report = _again(store.read_json(old / "report.json"), made) | {"new_without_vector": without}
    store.write_json(out / "report.json", report)
    return report


def _new_from_files(cfg: CodesConfig, new: NDArray[np.str_], before: Codes) -> NDArray[np.uint32]:
    width = len(before.names) - 1
    if not len(new):
        return np.zeros((0, width), dtype=np.uint32)
    tables = [files.read(path, new, values=cfg.values, dense=False).codes for path in cfg.files]
    codes = np.concatenate(tables, axis=1)
    if codes.shape[1] != width:
        raise InputError(
            f"codes.files hold {codes.shape[1]} codes an item, those of the run {width}: "
            f"{', '.join(before.names[:-1])}",
            hint="name a file for each of the run's, in the same order",
        )
    return codes


@dataclass(frozen=True)
class _Group:
    """The codes of the new items in one group, and what they are of, if it is vectors.

    Attributes:
        codes: (n_new, books) uint32.
        content: of all items, old and new.
    """

    codes: NDArray[np.uint32]
    content: nearest.Content | None = None


def _groups(
    cfg: CodesConfig,
    old: Path,
    fused: Path | None,
    ids: NDArray[np.str_],
    before: Codes,
    out: Path,
    seed: int,
) -> list[_Group]:
    """Codes of the new items by group; the quantizers are copied."""
    names, groups, first, n = groups_in(fused), list[_Group](), 0, len(before.ids)
    vectors = {name: group.aligned(ids) for name, group in vectors_of(cfg, fused).items()}
    for name in names:
        own = cfg.of(name)
        if name not in vectors:
            codes = control.random_codes(ids[n:], group=name, books=own.books, values=own.values, seed=seed)
            groups.append(_Group(codes))
        else:
            file = kinds.file_of(own.source, name)
            if (old / file).is_file():
                shutil.copy(old / file, out)
            quantizer, embedding = kinds.load(own.source, out / file), vectors[name]
            codes = encode(own, quantizer, embedding.since(n), separate=len(names) > 1)
            content = nearest.Content(quantizer, embedding.vectors, embedding.present, first)
            if cfg.balanced:
                codes = _balanced(content, codes, before)
            groups.append(_Group(codes, content))
        first += own.books
    return groups


def _balanced(content: nearest.Content, codes: NDArray[np.uint32], before: Codes) -> NDArray[np.uint32]:
    """The codes of new items that have a vector, in what room the old ones that have one leave."""
    n, made = len(before.ids), codes.copy()
    present, vectors = content.present[n:], content.vectors[n:]
    fixed = before.features[content.present[:n], content.columns]
    made[present] = balance.balanced(content.quantizer, vectors[present], codes[present], fixed)
    return made


def _quantized(
    cfg: CodesConfig, groups: list[_Group], before: Codes, new: int
) -> tuple[NDArray[np.uint32], int]:
    """Codes of all items, (n_items, n_categories - 1), and how many new ones have no vector."""
    codes = np.concatenate([group.codes for group in groups], axis=1)
    features = np.concatenate([before.features[:, :-1], codes])
    contents = [group.content for group in groups if group.content is not None]
    if not contents:
        return features, 0
    if cfg.disambiguation == "nearest":
        features = nearest.moved(features, contents, fixed=len(before.ids))
    present = np.logical_or.reduce([content.present[len(before.ids) :] for content in contents])
    return features, new - int(present.sum())


def room(
    features: NDArray[np.uint32], before: Codes, new: NDArray[np.str_], cfg: CodesConfig, seed: int
) -> NDArray[np.uint32]:
    """Disambiguation codes of the new items: what is free on their rows of codes.

    Args:
        features: (n_items, n_categories - 1), the codes of all items but for disambiguation, new ones last.
        before: the codes of the run.
        new: ids of the new items.
        cfg: the section.
        seed: the run's seed.

    Raises:
        InputError: more items are on a row than there are values; names the first and counts them.
    """
    values, known = before.cardinalities[-1], len(before.ids)
    _, group, counts = np.unique(features, axis=0, return_inverse=True, return_counts=True)
    full = np.flatnonzero(counts[group.ravel()[known:]] > values)
    if len(full):
        crowd = group.ravel() == group.ravel()[known + full[0]]
        old, wanted = int(crowd[:known].sum()), int(crowd[known:].sum())
        raise InputError(
            f"item {str(new[full[0]])!r} and {wanted - 1} more new items have the codes of {old} items of "
            f"the run, but only {values - old} fit beside them (codes.disambiguation_values = {values}); "
            f"in all, {len(full)} new items are on such rows",
            hint="leave some of these items out, give them content that tells them apart (items without any "
            "have the same codes), or train a run with more codes.disambiguation_values",
        )
    kept = np.concatenate([before.features[:, -1].astype(np.int64), np.full(len(new), -1)])
    generator = rng.generator(seed, "codes", "disambiguation", "added", known)
    return disambiguation.disambiguate(
        features, numbering(cfg), values=values, generator=generator, kept=kept
    )[known:]


def _again(report: dict[str, Any], codes: Codes) -> dict[str, Any]:
    """The report of the run's items, with what has to be counted again; errors stay those of its items."""
    errors = {entry["name"]: entry.get("relative_error") for entry in report["categories"]}
    books = categories(codes)
    for category in books:
        if errors.get(category["name"]) is not None:
            category["relative_error"] = errors[category["name"]]
    counted = {"items": len(codes.ids), "collisions": quality.collisions(codes.features[:, :-1])}
    return report | counted | {"categories": books}

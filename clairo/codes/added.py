"""Codes of items that are added to a run, by the quantizers and in the room that it has."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo import rng
from clairo.artifacts import Codes, Sequences, store
from clairo.codes import disambiguation, files, quality
from clairo.codes.stage import categories, encode, vectors_of
from clairo.config import CodesConfig
from clairo.errors import InputError


def extend(
    cfg: CodesConfig, *, old: Path, fused: Path | None, sequences: Path, out: Path, seed: int
) -> dict[str, Any]:
    """Write the codes of `old`, then those of the items that `sequences` has more, by the same quantizers.

    Items of `old` keep all their codes. A new item gets a disambiguation code that is free on its row of
    codes, by the method of the section; none is moved to another row, which would belie its content.

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
        codes, without = _new_from_files(cfg, new, before), 0
    else:
        codes, without = _new_quantized(cfg, old, fused, new, out)
    last = room(np.concatenate([before.features[:, :-1], codes]), before, new, cfg, seed)
    features = np.vstack([before.features, np.column_stack([codes, last])]).astype(np.uint32)
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


def _new_quantized(
    cfg: CodesConfig, old: Path, fused: Path | None, new: NDArray[np.str_], out: Path
) -> tuple[NDArray[np.uint32], int]:
    """Codes of the new items, and how many of these have no vector; the quantizers are copied."""
    from clairo.codes.quantizer import Quantizer

    vectors = {name: group.aligned(new) for name, group in vectors_of(fused).items()}
    parts = []
    for name, embedding in vectors.items():
        shutil.copy(old / f"{name}.faiss", out)
        parts.append(encode(cfg, Quantizer.load(out / f"{name}.faiss"), embedding, separate=len(vectors) > 1))
    present = np.logical_or.reduce([embedding.present for embedding in vectors.values()])
    return np.concatenate(parts, axis=1), int((~present).sum())


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
        features, cfg.disambiguation, values=values, generator=generator, kept=kept
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

"""The fused stage: vectors of modalities in, vectors of quantizer groups out."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo import log, rng
from clairo.artifacts import Embedding, Sequences, store
from clairo.config import FusedConfig
from clairo.errors import InputError
from clairo.fused import head, pca, tuning
from clairo.fused.fusion import Fusion, groups_of, modalities

Report = dict[str, Any]

_NAMED = 5  # items without any vector that the report names


def make(cfg: FusedConfig, *, embeddings: Path, sequences: Path, out: Path, seed: int) -> Report:
    """Write one `<group>.npz` a quantizer group, `pca.npz` for later items, and `report.json`.

    PCA sees the items of the training split that have the modality, and no others.

    Args:
        cfg: the section.
        embeddings: folder of the embeddings stage.
        sequences: folder of the sequences stage.
        out: folder to write to.
        seed: the run's seed, for `shuffled`.

    Returns:
        The report: widths and explained variance of each part, items without a vector, and warnings.

    Raises:
        InputError: a modality that the mode reads has no vectors, or none to fit on, or they do not vary.
    """
    catalogue = Sequences.load(sequences)
    training = catalogue.training_items()
    wanted = modalities(cfg.mode)
    _check_named(cfg, wanted)
    vectors = {name: _load(embeddings, name, cfg.mode).aligned(catalogue.items) for name in wanted}
    for modality in cfg.shuffled:
        generator = rng.generator(seed, "fused", "shuffled", modality)
        vectors[modality] = shuffled(vectors[modality], generator)
    report: Report = {"mode": cfg.mode, "warnings": []}
    vectors = _tuned(cfg, vectors, catalogue, out, seed, report)
    fusion = _fit(cfg, vectors, training, report)
    groups = fusion.transform(vectors)
    for name, group in groups.items():
        group.save(out / f"{name}.npz")
    fusion.save(out)
    _describe(groups, catalogue.items, report)
    store.write_json(out / "report.json", report)
    return report


def extend(cfg: FusedConfig, *, old: Path, embeddings: Path, out: Path) -> Report:
    """Write the groups of `old`, then those of the items that `embeddings` has more, by the same PCA.

    Args:
        cfg: the section.
        old: folder of the fused stage of the run that items are added to.
        embeddings: folder of the embeddings with the items added.
        out: folder to write to.

    Returns:
        The report of the new items: widths of the groups, items without a vector, and warnings.

    Raises:
        InputError: vectors do not have the width that PCA was fitted on, or the run is a control whose
            vectors were dealt out at random.
    """
    if cfg.shuffled:
        raise InputError(
            f"fused.shuffled = {list(cfg.shuffled)}: items of this control have the vectors of others, so "
            "new ones have no place in it"
        )
    fusion = Fusion.load(old)
    known = {name: Embedding.load(old / f"{name}.npz") for name in groups_of(cfg.mode)}
    n = len(next(iter(known.values())).ids)
    new = {name: _load(embeddings, name, cfg.mode).since(n) for name in modalities(cfg.mode)}
    heads = head.load(old)
    new |= {name: tuned.tuned(name, new[name]) for name, tuned in heads.items()}
    head.save(heads, out)
    groups = fusion.transform(new)
    for name, group in groups.items():
        known[name].extended(group).save(out / f"{name}.npz")
    fusion.save(out)
    report: Report = {"mode": cfg.mode, "warnings": []}
    _describe(groups, next(iter(new.values())).ids, report)
    store.write_json(out / "report.json", report)
    return report


def shuffled(embedding: Embedding, generator: np.random.Generator) -> Embedding:
    """The control: vectors dealt out anew among the items that have one."""
    rows = np.flatnonzero(embedding.present)
    vectors = embedding.vectors.copy()
    vectors[rows] = embedding.vectors[generator.permutation(rows)]
    return Embedding(embedding.ids, vectors, embedding.present)


def _check_named(cfg: FusedConfig, wanted: tuple[str, ...]) -> None:
    for option, names in (("shuffled", cfg.shuffled), ("tuned", cfg.tuned)):
        for name in names:
            if name not in wanted:
                raise InputError(
                    f'fused.{option} names {name!r}, which fused.mode = "{cfg.mode}" does not read'
                )


def _tuned(
    cfg: FusedConfig,
    vectors: dict[str, Embedding],
    catalogue: Sequences,
    out: Path,
    seed: int,
    report: Report,
) -> dict[str, Embedding]:
    """The vectors, those of the modalities that `tuned` names by their heads, which `out` keeps."""
    heads = {}
    for name in cfg.tuned:
        heads[name], facts = tuning.tune(cfg.tuning, name, vectors[name], catalogue, seed)
        report.setdefault("tuned", {})[name] = facts
    head.save(heads, out)
    return vectors | {name: tuned.tuned(name, vectors[name]) for name, tuned in heads.items()}


def _load(embeddings: Path, name: str, mode: str) -> Embedding:
    path = embeddings / f"{name}.npz"
    if not path.is_file():
        other = "image" if name == "text" else "text"
        instead = f', or set fused.mode = "{other}"' if (embeddings / f"{other}.npz").is_file() else ""
        raise InputError(
            f'fused.mode = "{mode}" reads {name} vectors, but no item has one',
            hint=f"set embeddings.{name} so that items have {name} vectors{instead}",
        )
    embedding = Embedding.load(path)
    bad = np.flatnonzero(~np.isfinite(embedding.vectors).all(axis=1))
    if len(bad):
        raise InputError(f"{path}: the vector of item {str(embedding.ids[bad[0]])!r} is not finite")
    return embedding


def _fit(
    cfg: FusedConfig, vectors: dict[str, Embedding], training: NDArray[np.bool_], report: Report
) -> Fusion:
    scaling: pca.Scaling = "whiten" if cfg.whiten else "balance" if cfg.balance else "none"
    shares = {"text": cfg.text_width, "image": cfg.image_width}
    parts = {
        name: _fitted(name, f"{name}_width", embedding, training, shares[name], scaling, report)
        for name, embedding in vectors.items()
    }
    fusion = Fusion(cfg.mode, parts)
    if cfg.final_width is None:
        return fusion
    if cfg.mode != "fused":
        raise InputError(f'fused.final_width is for fused.mode = "fused", not "{cfg.mode}"')
    whole = fusion.transform(vectors)["fused"]
    final = _fitted("final", "final_width", whole, training, cfg.final_width, "whiten", report)
    return Fusion(cfg.mode, parts, final)


def _fitted(
    name: str,
    option: str,
    embedding: Embedding,
    training: NDArray[np.bool_],
    width: int,
    scaling: pca.Scaling,
    report: Report,
) -> pca.Projection:
    rows = embedding.present & training
    if not rows.any():
        raise InputError(
            f"no item of the training split has {name} vectors, so there is nothing to fit PCA on"
        )
    projection = pca.fit(embedding.vectors[rows], width, scaling)
    fitted_on = int(rows.sum())
    if not projection.width:
        raise InputError(
            f"the {name} vectors of the {fitted_on} training items that have one are all equal",
            hint=f"look at what embeddings.{name} makes of these items",
        )
    if projection.width < width:
        _warn(
            report,
            f"fused.{option} = {width} is clamped to {projection.width}: {fitted_on} vectors "
            f"{embedding.width} wide vary in no more directions",
        )
    report[name] = {
        "width_in": embedding.width,
        "width": projection.width,
        "fitted_on": fitted_on,
        "explained_variance": round(projection.explained, 6),
        "absent": int((~embedding.present).sum()),
    }
    return projection


def _describe(groups: dict[str, Embedding], items: NDArray[np.str_], report: Report) -> None:
    """Widths of the groups, and the items that have no vector at all."""
    report["groups"] = {name: group.width for name, group in groups.items()}
    empty = items[~np.logical_or.reduce([group.present for group in groups.values()])]
    report["without_vectors"] = len(empty)
    report["without_vectors_first"] = [str(item) for item in empty[:_NAMED]]
    if len(empty):
        _warn(report, f"{len(empty)} items have no vector at all, the first is {str(empty[0])!r}")


def _warn(report: Report, message: str) -> None:
    report["warnings"].append(message)
    log.logger.warning("fused: %s", message)

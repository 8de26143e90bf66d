"""The fused stage: vectors of modalities in, vectors of quantizer groups out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clairo import log, rng
from clairo.artifacts import Embedding, Sequences, store
from clairo.config import FusedConfig
from clairo.errors import InputError
from clairo.fused import categories, head, learning, names, pca, tuning
from clairo.fused.fusion import Fusion
from clairo.threads import one_of_blas

Report = dict[str, Any]
Vectors = dict[str, Embedding]

_NAMED = 5  # items without any vector that the report names
_WIDTH = 384  # of a share, where none is set


@one_of_blas()
def make(cfg: FusedConfig, *, embeddings: Path, sequences: Path, out: Path, seed: int) -> Report:
    """Write one `<group>.npz` a quantizer group, what later items need, and `report.json`.

    PCA sees the items of the training split that have the modality, and no others. `pca.npz` holds it, and
    `weights.npz` the learned weights, if there are any. The report states the order of the groups.

    Args:
        cfg: the section.
        embeddings: folder of the embeddings stage.
        sequences: folder of the sequences stage.
        out: folder to write to.
        seed: the run's seed, for `shuffled` and for what weights are learned from.

    Returns:
        The report: widths and explained variance of each part, learned weights, items without a vector, and
        warnings.

    Raises:
        InputError: a modality that the mode reads has no vectors, or none to fit on, or they do not vary.
    """
    catalogue = Sequences.load(sequences)
    wanted = names.modalities(cfg, embeddings)
    names.check(cfg, wanted)
    vectors = {name: _load(embeddings, name, cfg.mode).aligned(catalogue.items) for name in wanted}
    vectors = _shuffled(cfg, vectors, seed)
    report: Report = {"mode": cfg.mode, "warnings": []}
    vectors = _tuned(cfg, vectors, catalogue, out, seed, report)
    fusion = _fit(cfg, vectors, catalogue.training_items(), report)
    fusion = _weighted(cfg, fusion, vectors, catalogue, sequences, seed, report)
    fusion = _finished(cfg, fusion, vectors, catalogue, sequences, report)
    groups = fusion.transform(vectors, _categories(fusion, sequences, catalogue.items))
    for name, group in groups.items():
        group.save(out / f"{name}.npz")
    fusion.save(out)
    _describe(groups, catalogue.items, report)
    store.write_json(out / "report.json", report)
    return report


@one_of_blas()
def extend(cfg: FusedConfig, *, old: Path, embeddings: Path, sequences: Path, out: Path) -> Report:
    """Write the groups of `old`, then those of the items that `embeddings` has more, by the same PCA.

    Args:
        cfg: the section.
        old: folder of the fused stage of the run that items are added to.
        embeddings: folder of the embeddings with the items added.
        sequences: folder of the sequences with the items added.
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
    known = {name: Embedding.load(old / f"{name}.npz") for name in fusion.groups}
    n = len(next(iter(known.values())).ids)
    new = {name: _load(embeddings, name, cfg.mode).since(n) for name in fusion.modalities}
    ids = next(iter(new.values())).ids
    heads = head.load(old)
    new |= {name: tuned.tuned(name, new[name]) for name, tuned in heads.items()}
    head.save(heads, out)
    groups = fusion.transform(new, _categories(fusion, sequences, ids))
    for name, group in groups.items():
        known[name].extended(group).save(out / f"{name}.npz")
    fusion.save(out)
    report: Report = {"mode": cfg.mode, "warnings": []}
    _describe(groups, ids, report)
    store.write_json(out / "report.json", report)
    return report


def shuffled(embedding: Embedding, generator: np.random.Generator) -> Embedding:
    """The control: vectors dealt out anew among the items that have one."""
    rows = np.flatnonzero(embedding.present)
    vectors = embedding.vectors.copy()
    vectors[rows] = embedding.vectors[generator.permutation(rows)]
    return Embedding(embedding.ids, vectors, embedding.present)


def _shuffled(cfg: FusedConfig, vectors: Vectors, seed: int) -> Vectors:
    """The vectors, with those of the modalities that `shuffled` names dealt out."""
    dealt = {
        name: shuffled(vectors[name], rng.generator(seed, "fused", "shuffled", name)) for name in cfg.shuffled
    }
    return vectors | dealt


def _tuned(
    cfg: FusedConfig,
    vectors: Vectors,
    catalogue: Sequences,
    out: Path,
    seed: int,
    report: Report,
) -> Vectors:
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
        others = [other for other in ("text", "image") if (embeddings / f"{other}.npz").is_file()]
        instead = f', or set fused.mode = "{others[0]}"' if others else ""
        raise InputError(
            f'fused.mode = "{mode}" reads {name} vectors, but no item has one',
            hint=f"set embeddings.{name} so that items have {name} vectors{instead}",
        )
    embedding = Embedding.load(path)
    bad = np.flatnonzero(~np.isfinite(embedding.vectors).all(axis=1))
    if len(bad):
        raise InputError(f"{path}: the vector of item {str(embedding.ids[bad[0]])!r} is not finite")
    return embedding


def _fit(cfg: FusedConfig, vectors: Vectors, training: NDArray[np.bool_], report: Report) -> Fusion:
    """PCA of every modality, and the fixed weights."""
    scaling: pca.Scaling = "whiten" if cfg.whiten else "balance" if cfg.balance else "none"
    parts = {
        name: _fitted(
            name, f"widths.{name}", embedding, training, cfg.widths.get(name, _WIDTH), scaling, report
        )
        for name, embedding in vectors.items()
    }
    weights = {name: cfg.weights.get(name, 1.0) for name in vectors}
    return Fusion(cfg.mode, parts, weights, cfg.zeroed)


def _weighted(
    cfg: FusedConfig,
    fusion: Fusion,
    vectors: Vectors,
    catalogue: Sequences,
    sequences: Path,
    seed: int,
    report: Report,
) -> Fusion:
    """The fusion with learned weights, if any are wanted and there are two modalities that count."""
    count = [n for n in fusion.modalities if fusion.weights[n] and n not in fusion.zeroed]
    if cfg.learned_weights == "none":
        return fusion
    if len(count) < 2:
        _warn(report, f"fused.learned_weights weighs nothing: only {', '.join(count) or 'none'} counts")
        return fusion
    level, own = -1, None
    if cfg.learned_weights == "category":
        lists = categories.read(sequences, catalogue.items)
        trained = zip(lists, catalogue.training_items(), strict=True)
        level = categories.level_of([entries for entries, known in trained if known])
        own = categories.at(lists, level)
    shares = fusion.shares(vectors)
    confidence, report["learned_weights"] = learning.learn(
        cfg.learned_weights,
        {name: shares[name] for name in count},
        catalogue,
        categories=own,
        level=level,
        seed=seed,
    )
    score = report["learned_weights"]["score"]
    equal, learned = (score[which]["judged_by"]["log_likelihood"] for which in ("equal", "learned"))
    if learned < equal:
        _warn(
            report, f"fused.learned_weights: {learned} on pairs that judge, less than equal weights' {equal}"
        )
    return replace(fusion, confidence=confidence)


def _finished(
    cfg: FusedConfig,
    fusion: Fusion,
    vectors: Vectors,
    catalogue: Sequences,
    sequences: Path,
    report: Report,
) -> Fusion:
    """The fusion with a final PCA, if one is wanted."""
    if cfg.final_width is None:
        return fusion
    whole = fusion.transform(vectors, _categories(fusion, sequences, catalogue.items))["fused"]
    scaling: pca.Scaling = "whiten" if cfg.final_whiten else "none"
    final = _fitted(
        "final", "final_width", whole, catalogue.training_items(), cfg.final_width, scaling, report
    )
    return replace(fusion, final=final)


def _categories(fusion: Fusion, sequences: Path, ids: NDArray[np.str_]) -> NDArray[np.str_] | None:
    """The items' categories, if the fusion asks for them."""
    if fusion.confidence is None or fusion.confidence.level < 0:
        return None
    return categories.at(categories.read(sequences, ids), fusion.confidence.level)


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


def _describe(groups: Vectors, items: NDArray[np.str_], report: Report) -> None:
    """Widths of the groups and their order, and the items that have no vector at all."""
    report["order"] = list(groups)
    report["groups"] = {name: group.width for name, group in groups.items()}
    empty = items[~np.logical_or.reduce([group.present for group in groups.values()])]
    report["without_vectors"] = len(empty)
    report["without_vectors_first"] = [str(item) for item in empty[:_NAMED]]
    if len(empty):
        _warn(report, f"{len(empty)} items have no vector at all, the first is {str(empty[0])!r}")


def _warn(report: Report, message: str) -> None:
    report["warnings"].append(message)
    log.logger.warning("fused: %s", message)

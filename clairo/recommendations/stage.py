"""The recommendations stage: the model and its untrained rivals on the same users."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from clairo import log
from clairo.artifacts import Sequences, store
from clairo.config import Item2ItemConfig, LinearConfig, RecommendationsConfig
from clairo.errors import InputError
from clairo.recommendations import blending, tables
from clairo.recommendations.blend import Blend
from clairo.recommendations.full_pass import Pass, search_all
from clairo.recommendations.invalid import invalid
from clairo.recommendations.sample import SPLITS, Sample
from clairo.recommendations.search import Search, Settings
from clairo.recommendations.tuning import Tuned, tune
from clairo.rivals import counted
from clairo.rivals.linear import Moments, gigabytes
from clairo.rivals.lists import Lists

PARTS = ".parts"


def make(
    cfg: RecommendationsConfig,
    *,
    model: Path,
    vocabulary: Path,
    codes: Path,
    sequences: Path,
    out: Path,
    seed: int,
) -> dict[str, Any]:
    """Recommend to every user with a target (or a fixed sample), and write lists, settings and report.

    Leaves in `out`: `recommendations.parquet`, `popularity.parquet`, `markov.parquet`, `item2item.parquet`,
    `linear.parquet` unless the catalogue is too large for it, `settings.json` and `report.json`. Where the
    model is blended with item-to-item, `recommendations.parquet` are the blended lists, `model.parquet` those
    of the model alone, and `blend.npz` is the blend. Parts of
    the model's pass lie in `.parts` until the pass is through: a call that finds some goes on behind them and
    leaves the same lists as one that was never interrupted.
    """
    tables.announce()
    histories = Sequences.load(sequences)
    _check(cfg, histories.n_items)
    samples = [Sample.draw(histories, split, size=cfg.users, seed=seed) for split in SPLITS]
    settings = Settings.of(cfg, seed)
    search = Search.load(
        model=model,
        vocabulary=vocabulary,
        codes=codes,
        sequences=histories,
        settings=settings,
        device=cfg.device,
    )
    k = min(cfg.k, histories.n_items)
    how = ("beams", "views", "normalise", "ensemble")
    report: dict[str, Any] = {"k": k} | {name: getattr(search.settings, name) for name in how}
    passes, noted = _model(search, samples, k, out)
    alone = "recommendations" if cfg.blend == "off" else "model"
    _write(out / f"{alone}.parquet", histories, samples, [run.lists for run in passes])
    tuned = _rivals(cfg, histories, samples, k, out)
    report |= noted | {name: found.summary() for name, found in tuned.items()}
    if cfg.blend != "off":
        # Of equals, max takes the first: the one that counts.
        name = cfg.blend_with if cfg.blend_with != "best" else max(tuned, key=lambda it: tuned[it].best.ndcg)
        blend = _blend(cfg, name, tuned[name].rival, search, histories, samples, passes, k, out)
        report["blend"] = {"with": name, **blend}
    settings.save(out)
    store.write_json(out / "report.json", report)
    shutil.rmtree(out / PARTS)
    return report


def _check(cfg: RecommendationsConfig, n_items: int) -> None:
    for table, options in (("item2item", ("windows", "decays")), ("linear", ("penalties", "decays"))):
        for option in options:
            if not getattr(getattr(cfg, table), option):
                raise InputError(f"recommendations.{table}.{option} is empty", hint="name at least one value")
    if cfg.blend != "off" and cfg.blend_with == "linear" and n_items > cfg.linear.most_items:
        raise InputError(
            f"recommendations.blend_with is linear, but {n_items} items are more than "
            f"recommendations.linear.most_items = {cfg.linear.most_items}",
            hint=f"set blend_with to item2item, or raise most_items, which takes {gigabytes(n_items)}",
        )


def _model(search: Search, samples: list[Sample], k: int, out: Path) -> tuple[list[Pass], dict[str, Any]]:
    """Search for all users of all samples, and say what was counted."""
    (out / PARTS).mkdir(exist_ok=True)
    with log.step("recommend", total=sum(len(sample.users) for sample in samples)) as step:
        found = [search_all(search, sample, k=k, folder=out / PARTS, step=step) for sample in samples]
    wrong = invalid(np.arange(search.trie.n_items), search.trie, search.vocabulary, search.features)
    report: dict[str, Any] = {"search": {"kind": search.settings.search} | _speed(samples, found)}
    for sample, run in zip(samples, found, strict=True):
        generated, bad = int(run.generated.sum()), int(run.generated[wrong].sum())
        for condition in sample.conditions:
            filled = run.filled[condition.name]
            report[condition.name] = sample.summary() | {
                "generated": generated,
                "invalid": bad,
                "invalid_rate": bad / generated if generated else 0.0,
                "empty_histories": int((sample.read.lengths == 0).sum()),
                "lists_filled": int((filled > 0).sum()),
                "items_filled": int(filled.sum()),
            }
    return found, report


def _speed(samples: list[Sample], found: list[Pass]) -> dict[str, float]:
    users, seconds = sum(len(sample.users) for sample in samples), sum(run.seconds for run in found)
    return {
        "users": users,
        "seconds": round(seconds, 3),
        "users_per_second": users / seconds if seconds else 0.0,
        "ms_per_user": 1000 * seconds / users if users else 0.0,
    }


def _rivals(
    cfg: RecommendationsConfig, sequences: Sequences, samples: list[Sample], k: int, out: Path
) -> dict[str, Tuned]:
    """Count, fit, tune and write the rivals' lists; the tuned ones by name."""
    popularity = counted.Popularity.count(sequences)
    tuned = {"item2item": _item2item(cfg.item2item, sequences, popularity)}
    if sequences.n_items <= cfg.linear.most_items:
        tuned["linear"] = _linear(cfg.linear, sequences, popularity)
    else:
        log.logger.info(
            "no linear rival: %d items are more than recommendations.linear.most_items = %d",
            sequences.n_items,
            cfg.linear.most_items,
        )
    systems: dict[str, counted.Rival] = {
        "popularity": popularity,
        "markov": counted.markov(sequences, popularity),
        **{name: found.rival for name, found in tuned.items()},
    }
    with log.step("count rivals", total=len(systems)) as step:
        for name, rival in systems.items():
            _write_rival(out / f"{name}.parquet", rival, sequences, samples, k)
            step.advance(rival=name)
    return tuned


def _item2item(grid: Item2ItemConfig, sequences: Sequences, popularity: counted.Popularity) -> Tuned:
    return tune(
        "item2item",
        sequences,
        popularity,
        lambda window: counted.Neighbours.count(sequences, window=window, backward=grid.backward),
        option="window",
        values=grid.windows,
        decays=grid.decays,
        tie_weight=grid.popularity,
    )


def _linear(grid: LinearConfig, sequences: Sequences, popularity: counted.Popularity) -> Tuned:
    moments = Moments.count(sequences, past=grid.past, future=grid.future, together=grid.together)
    return tune(
        "linear",
        sequences,
        popularity,
        lambda penalty: moments.fit(penalty, kept=grid.kept),
        option="penalty",
        values=grid.penalties,
        decays=grid.decays,
        tie_weight=grid.popularity,
    )


def _write_rival(
    path: Path, rival: counted.Rival, sequences: Sequences, samples: list[Sample], k: int
) -> None:
    lists = []
    for sample in samples:
        plain, masked = counted.recommend(rival, sample.read, sample.known, k=k, n_items=sequences.n_items)
        lists.append(
            {condition.name: masked if condition.masked else plain for condition in sample.conditions}
        )
    _write(path, sequences, samples, lists)


def _blend(
    cfg: RecommendationsConfig,
    name: str,
    rival: counted.ItemToItem,
    search: Search,
    sequences: Sequences,
    samples: list[Sample],
    passes: list[Pass],
    k: int,
    out: Path,
) -> dict[str, Any]:
    """Choose the weight, write the blend and its lists, and say what was chosen from what."""
    grid = list[dict[str, float]]()
    if isinstance(cfg.blend, str):
        weight, grid = blending.tune(rival, samples[0], passes[0])
    else:
        weight = cfg.blend
    blend = Blend(weight, rival, getattr(cfg, name).popularity)
    blend.save(out)
    with log.step("blend", total=sum(len(sample.users) for sample in samples)) as step:
        lists = [
            blending.blended(blend, sample, run, search.popular, k, step)
            for sample, run in zip(samples, passes, strict=True)
        ]
    _write(out / "recommendations.parquet", sequences, samples, lists)
    return {"weight": weight, "grid": grid}


def _write(path: Path, sequences: Sequences, samples: list[Sample], lists: list[dict[str, Lists]]) -> None:
    """Write lists that are named by condition, for each sample."""
    rows = [
        (condition, sample, named[condition.name])
        for sample, named in zip(samples, lists, strict=True)
        for condition in sample.conditions
    ]
    tables.write(path, sequences, rows)

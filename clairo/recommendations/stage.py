"""The recommendations stage: the model and its untrained rivals on the same users."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from clairo import log
from clairo.artifacts import Sequences, store
from clairo.config import Item2ItemConfig, RecommendationsConfig
from clairo.errors import InputError
from clairo.recommendations import blending, rivals, tables
from clairo.recommendations.blend import Blend
from clairo.recommendations.full_pass import Pass, search_all
from clairo.recommendations.invalid import invalid
from clairo.recommendations.lists import Lists
from clairo.recommendations.sample import SPLITS, Sample
from clairo.recommendations.search import Search, Settings
from clairo.recommendations.tuning import METRIC, tune

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
    `settings.json` and `report.json`. Where the model is blended with item-to-item, `recommendations.parquet`
    are the blended lists, `model.parquet` those of the model alone, and `blend.npz` is the blend. Parts of
    the model's pass lie in `.parts` until the pass is through: a call that finds some goes on behind them and
    leaves the same lists as one that was never interrupted.
    """
    _check(cfg.item2item)
    tables.announce()
    histories = Sequences.load(sequences)
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
    tuned, chosen = _rivals(cfg.item2item, histories, samples, k, out)
    report |= noted | chosen
    if cfg.blend != "off":
        report["blend"] = _blend(cfg, tuned, search, histories, samples, passes, k, out)
    settings.save(out)
    store.write_json(out / "report.json", report)
    shutil.rmtree(out / PARTS)
    return report


def _check(grid: Item2ItemConfig) -> None:
    for option in ("windows", "decays"):
        if not getattr(grid, option):
            raise InputError(f"recommendations.item2item.{option} is empty", hint="name at least one value")


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
    grid: Item2ItemConfig, sequences: Sequences, samples: list[Sample], k: int, out: Path
) -> tuple[rivals.ItemToItem, dict[str, Any]]:
    """Count, tune and write the rivals' lists; tuned item-to-item, the grid and what was chosen from it."""
    popularity = rivals.Popularity.count(sequences)
    tuned, best, cells = tune(
        sequences,
        popularity,
        windows=grid.windows,
        decays=grid.decays,
        backward=grid.backward,
        tie_weight=grid.popularity,
    )
    systems: dict[str, rivals.Rival] = {
        "popularity": popularity,
        "markov": rivals.markov(sequences, popularity),
        "item2item": tuned,
    }
    with log.step("count rivals", total=len(systems)) as step:
        for name, rival in systems.items():
            _write_rival(out / f"{name}.parquet", rival, sequences, samples, k)
            step.advance(rival=name)
    table = [{"window": cell.window, "decay": cell.decay, METRIC: cell.ndcg} for cell in cells]
    return tuned, {"item2item": {"window": best.window, "decay": best.decay, "grid": table}}


def _write_rival(
    path: Path, rival: rivals.Rival, sequences: Sequences, samples: list[Sample], k: int
) -> None:
    lists = []
    for sample in samples:
        plain, masked = rivals.recommend(rival, sample.read, sample.known, k=k, n_items=sequences.n_items)
        lists.append(
            {condition.name: masked if condition.masked else plain for condition in sample.conditions}
        )
    _write(path, sequences, samples, lists)


def _blend(
    cfg: RecommendationsConfig,
    tuned: rivals.ItemToItem,
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
        weight, grid = blending.tune(tuned, samples[0], passes[0])
    else:
        weight = cfg.blend
    blend = Blend(weight, tuned, cfg.item2item.popularity)
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

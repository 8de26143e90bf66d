"""What one finished run reached, and what it took."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from clairo.ablation.run import Run
from clairo.artifacts.store import MANIFEST, Manifest, read_json
from clairo.pipeline import needed
from clairo.report.bootstrap import MODEL
from clairo.report.rankings import BLEND

METRICS = ("recall@5", "recall@10", "ndcg@5", "ndcg@10")
CONDITIONS = ("validation", "test", "masked")
_COVERAGE = "coverage@10"


def measured(run: Run) -> dict[str, Any]:
    """A finished run as a JSON-able value.

    Holds `seed`, `digest` of the configuration, `report` (its fingerprint), the `system` that it recommends
    by with its metrics by condition, those of the model `alone` where that is a blend, those of `rivals`,
    `collisions`, minutes of all stages and of training, epochs, and of each stage fingerprint and seconds.
    """
    report = read_json(run.folder / "report" / "report.json")
    manifests = {name: Manifest.load(run.folder / name / MANIFEST) for name in needed(run.config)}
    model = manifests["model"].summary
    return {
        "seed": run.seed,
        "state": "done",
        "digest": run.digest,
        "folder": _relative(run.folder),
        "report": manifests["report"].fingerprint,
        "system": BLEND if BLEND in report else MODEL,
        **_by_condition(report),
        "alone": _by_condition(report.get(MODEL, {})),
        "rivals": {rival: _by_condition(found) for rival, found in report["baselines"].items()},
        "collisions": manifests["codes"].summary.get("collisions"),
        "items": report["dataset"]["items"],
        "minutes": sum(manifest.seconds for manifest in manifests.values()) / 60,
        "training_minutes": manifests["model"].seconds / 60,
        "epochs": model.get("epochs"),
        "best_epoch": model.get("best_epoch"),
        "stages": {
            name: {"fingerprint": manifest.fingerprint, "seconds": manifest.seconds}
            for name, manifest in manifests.items()
        },
        "versions": manifests["model"].versions,
    }


def failed(run: Run, failure: dict[str, Any] | None) -> dict[str, Any]:
    """A run that is not finished, as a JSON-able value."""
    state = {"state": "waiting"} if failure is None else {"state": "failed", **failure}
    return {"seed": run.seed, "digest": run.digest, "folder": _relative(run.folder), **state}


def summary(runs: list[dict[str, Any]]) -> dict[str, dict[str, float | None]]:
    """By figure, `mean` and `sd` (of the sample; None for one run) over finished runs."""
    found: dict[str, list[float]] = {}
    for run in runs:
        for name, value in _figures(run):
            found.setdefault(name, []).append(value)
    return {name: spread(values) for name, values in found.items()}


def spread(values: list[float]) -> dict[str, float | None]:
    """Mean and standard deviation."""
    return {"mean": fmean(values), "sd": stdev(values) if len(values) > 1 else None}


def _figures(run: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for condition in CONDITIONS:
        for name, value in run.get(condition, {}).items():
            yield f"{condition} {name}", value
    if run.get("collisions") is not None:
        yield "colliding items", run["collisions"]["colliding_items"]
        yield "largest group", run["collisions"]["largest_group"]
    for name in ("minutes", "training_minutes", "epochs", "best_epoch"):
        if run.get(name) is not None:
            yield name.replace("_", " "), run[name]


def rivals(runs: Iterable[dict[str, Any]]) -> dict[str, dict[str, dict[str, float | None]]]:
    """By rival and figure, mean and standard deviation over finished runs."""
    found: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        for rival, metrics in run["rivals"].items():
            found.setdefault(rival, []).append(metrics)
    return {rival: summary(metrics) for rival, metrics in found.items()}


def _by_condition(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    names = (*METRICS, _COVERAGE)
    return {
        condition: {name: found[condition][name] for name in names if name in found[condition]}
        for condition in CONDITIONS
        if condition in found
    }


def _relative(folder: Path) -> str:
    """The run's place in the grid's folder, which may be moved."""
    return Path(*folder.parts[-3:]).as_posix()

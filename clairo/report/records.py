"""What stages noted of themselves: time, memory, counts, the course of training."""

import math
from pathlib import Path
from typing import Any

from clairo.artifacts import Sequences
from clairo.artifacts.store import MANIFEST, read_json

_CONFIG_FILE = "config.toml"


def stages(run: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """By stage, of `names` those that stand: seconds, peak memory in MB, end, versions, report or summary."""
    return {name: _stage(run / name) for name in names if (run / name / MANIFEST).is_file()}


def _stage(folder: Path) -> dict[str, Any]:
    manifest = read_json(folder / MANIFEST)
    keys = ("seconds", "peak_memory_mb", "created", "versions")
    own = folder / "report.json"
    report = read_json(own) if own.is_file() else manifest.get("summary")
    return {key: manifest.get(key) for key in keys} | {"report": report or {}}


def versions(noted: dict[str, dict[str, Any]]) -> dict[str, list[str]]:
    """By library, the versions that the artefacts were made with; several where it changed on the way."""
    found: dict[str, list[str]] = {}
    for stage in noted.values():
        for library, version in (stage["versions"] or {}).items():
            seen = found.setdefault(library, [])
            if version not in seen:
                seen.append(version)
    return found


def config(run: Path) -> str:
    """The text of the configuration that the run was made with; empty where there is none."""
    path = run / _CONFIG_FILE
    return path.read_text("utf-8") if path.is_file() else ""


def dataset(table: Sequences) -> dict[str, Any]:
    """Counts after all filters."""
    lengths = table.offsets[1:] - table.offsets[:-1]
    users, events = table.n_users, len(table.events)
    return {
        "users": users,
        "items": table.n_items,
        "events": events,
        "training_events": int(table.train_end.sum()),
        "events_per_user": float(lengths.mean()) if users else 0.0,
        "density": events / (users * table.n_items) if users and table.n_items else 0.0,
        "validation_users": int((table.validation >= 0).sum()),
        "test_users": int((table.test >= 0).sum()),
        "users_with_ties": int(table.ties.sum()),
        "timed": bool((table.times >= 0).any()),
        "max_history": table.max_history,
    }


def training(folder: Path) -> dict[str, Any] | None:
    """The course of training from `history.json`, or None where there is none.

    `iterations_per_second` is the mean over epochs weighted by their seconds: steps over time.
    """
    path = folder / "history.json"
    if not path.is_file():
        return None
    epochs = [entry for entry in read_json(path) if isinstance(entry, dict)]
    seconds = sum(_number(entry, "seconds") for entry in epochs)
    steps = sum(_number(entry, "seconds") * _number(entry, "steps_per_second") for entry in epochs)
    evaluated = [entry for entry in epochs if math.isfinite(_number(entry, "ndcg@10", math.nan))]
    best = max(evaluated, key=lambda entry: float(entry["ndcg@10"]), default=None)
    return {
        "epochs": epochs,
        "seconds": seconds,
        "iterations_per_second": steps / seconds if seconds else None,
        "best_epoch": None if best is None else best.get("epoch"),
        "best_ndcg@10": None if best is None else best["ndcg@10"],
    }


def _number(entry: dict[str, Any], key: str, missing: float = 0.0) -> float:
    value = entry.get(key)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else missing


def finite(value: Any) -> Any:
    """The same value with null for every number that JSON cannot hold (a diverged loss is NaN)."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value

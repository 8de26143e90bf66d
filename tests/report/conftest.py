"""A run folder of a small world, written as the stages write theirs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from clairo.artifacts import Sequences

N_USERS, N_ITEMS, K = 90, 70, 50
STAGES = [
    "reviews", "sequences", "embeddings", "fused", "codes", "vocabulary", "model", "recommendations",
]  # fmt: skip
SKILL = {"recommendations": 0.5, "popularity": 0.05, "markov": 0.2, "item2item": 0.45, "linear": 0.48}
HOSTILE_TITLE = "<script>alert('title')</script> & \"quotes\""
HOSTILE_USER = '"><img src=x onerror=alert(1)>'

WriteRun = Callable[..., Path]


def _sequences() -> Sequences:
    rng = np.random.default_rng(5)
    lengths = rng.integers(5, 30, N_USERS)
    weights = 1.0 / np.arange(1, N_ITEMS + 1)
    events = rng.choice(N_ITEMS - 2, size=lengths.sum(), p=weights[:-2] / weights[:-2].sum())
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    events[offsets[1:4] - 1] = N_ITEMS - 1  # targets that nobody trains on
    times = np.arange(len(events)) * 86_400
    ties = np.zeros(N_USERS, dtype=np.bool_)
    ties[::4] = True
    times[offsets[1:][ties] - 1] -= 86_400
    users = np.array([HOSTILE_USER] + [f"u{row}" for row in range(1, N_USERS)], dtype=np.str_)
    return Sequences(
        items=np.array([f"B{row:05}" for row in range(N_ITEMS)], dtype=np.str_),
        users=users,
        offsets=offsets.astype(np.int64),
        events=events.astype(np.uint32),
        times=times.astype(np.int64),
        train_end=(lengths - 2).astype(np.int64),
        validation=(lengths - 2).astype(np.int64),
        test=(lengths - 1).astype(np.int64),
        ties=ties,
        max_history=20,
    )


def _lists(table: Sequences, skill: float, seed: int, share: float) -> pl.DataFrame:
    """Lists that hold the target at a low rank for a part `skill` of users."""
    rng = np.random.default_rng(seed)
    frames = []
    for split, masked in (("validation", False), ("test", False), ("test", True)):
        users, targets = table.targets(split)  # type: ignore[arg-type]
        rows = []
        for user, target in zip(users[: int(share * len(users))].tolist(), targets.tolist(), strict=False):
            items = rng.permutation(N_ITEMS)[:K]
            items = items[items != target]
            if rng.random() < skill:
                items = np.insert(items, min(int(rng.geometric(0.3)) - 1, len(items)), target)[:K]
            named = table.items[items].tolist()
            scores = (1.0 / np.arange(1, len(named) + 1)).tolist()
            rows.append((str(table.users[user]), split, masked, named, scores, str(table.items[target])))
        frames.append(
            pl.DataFrame(rows, schema=["user", "split", "masked", "items", "scores", "target"], orient="row")
        )
    everything = pl.concat(frames)
    return everything.sample(fraction=1.0, shuffle=True, seed=seed)  # the order of rows means nothing


def _note(folder: Path, name: str, content: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content), "utf-8")


def _manifest(folder: Path, seconds: float, summary: dict[str, Any]) -> None:
    _note(
        folder,
        "manifest.json",
        {
            "stage": folder.name,
            "fingerprint": "f" * 64,
            "parts": {"config": {}, "code": "c", "seed": 0, "inputs": {}},
            "versions": {"python": "3.12.1", "numpy": "2.1.0"},
            "outputs": {},
            "summary": summary,
            "seconds": seconds,
            "peak_memory_mb": 200.0 + seconds,
            "created": "2025-01-01T00:00:00+00:00",
        },
    )


def _history() -> list[dict[str, Any]]:
    epochs: list[dict[str, Any]] = []
    for epoch in range(1, 13):
        entry = {
            "epoch": epoch,
            "loss": float("nan") if epoch == 12 else 5.0 / epoch,
            "seconds": float(epoch),
            "steps_per_second": 10.0,
        }
        if epoch % 2 == 0:
            entry |= {"ndcg@10": 0.1 - 0.001 * (epoch - 8) ** 2, "recall@10": 0.2}
        epochs.append(entry)
    return epochs


def _coded() -> dict[str, Any]:
    return {
        "items": N_ITEMS,
        "collisions": {"rows": 69, "shared_rows": 1, "colliding_items": 2, "largest_group": 2},
        "categories": [
            {"name": "text 1", "values": 8, "used": 7, "perplexity": 6.5, "relative_error": 0.25},
            {"name": "disambiguation", "values": 128, "used": 2, "perplexity": 1.1},
        ],
    }


def _searched() -> dict[str, Any]:
    grid = [
        {"window": window, "decay": decay, "ndcg@10": window / 10 - decay / 20}
        for window in (1, 3)
        for decay in (0.5, 1.0)
    ]
    penalties = [{"penalty": penalty, "decay": 0.5, "ndcg@10": 3 / penalty} for penalty in (10.0, 30.0)]
    counted = {
        "users": 90,
        "of": 90,
        "sampled": False,
        "generated": 9000,
        "invalid": 45,
        "invalid_rate": 0.005,
    }
    filled = {"lists_filled": 2, "items_filled": 31}
    return {
        "search": {"users": 180, "seconds": 6.0, "users_per_second": 30.0, "ms_per_user": 33.3},
        "validation": counted | {"lists_filled": 0, "items_filled": 0},
        "test": counted | {"lists_filled": 0, "items_filled": 0},
        "masked": counted | filled,
        "item2item": {"window": 3, "decay": 0.5, "grid": grid},
        "linear": {"penalty": 30.0, "decay": 0.5, "grid": penalties},
    }


def _blended(folder: Path, lists: pl.DataFrame, weight: float, note: dict[str, Any]) -> None:
    """Make what was recommended so far that of the model alone, and `lists` that of the blend."""
    (folder / "recommendations.parquet").rename(folder / "model.parquet")
    lists.write_parquet(folder / "recommendations.parquet")
    grid = [{"weight": w, "ndcg@10": 0.1 + (w == weight) / 100} for w in (0.0, weight, 1.0)]
    note["blend"] = {"with": "linear", "weight": weight, "grid": grid}


@pytest.fixture
def write_run(tmp_path: Path) -> WriteRun:
    """A function that writes a run folder with `stages`, whose lists hold a `share` of users.

    With a `weight` it recommends by a blend.
    """

    def write(
        stages: list[str] = STAGES, share: float = 1.0, name: str = "run", weight: float | None = None
    ) -> Path:
        run, table = tmp_path / name, _sequences()
        for position, stage in enumerate(stages):
            _manifest(run / stage, 3.0**position, {"parameters": 123_456})
            if stage != "model":
                _note(run / stage, "report.json", {"rows": 10 * position, "dirt": {"no_title": position}})
        (run / "config.toml").write_text('seed = 0\n[report]\ntitle = "</pre><b>bold</b>"\n', "utf-8")
        table.save(run / "sequences")
        titles = [HOSTILE_TITLE if row % 2 else None for row in range(N_ITEMS)]
        pl.DataFrame({"item": table.items.tolist(), "title": titles}).write_parquet(
            run / "sequences" / "items.parquet"
        )
        if "codes" in stages:
            _note(run / "codes", "report.json", _coded())
        if "fused" in stages:
            _note(run / "fused", "report.json", {"text": {"width": 4, "warnings": [HOSTILE_TITLE]}})
        if "model" in stages:
            _note(run / "model", "history.json", _history())
        if "recommendations" in stages:
            for seed, (file, skill) in enumerate(SKILL.items()):
                _lists(table, skill, seed, share if file == "recommendations" else 1.0).write_parquet(
                    run / "recommendations" / f"{file}.parquet"
                )
            note = _searched()
            if weight is not None:
                _blended(run / "recommendations", _lists(table, 0.6, 9, share), weight, note)
            _note(run / "recommendations", "report.json", note)
        return run

    return write

"""The report stage: the numbers of a run as JSON, and a page made from that JSON alone."""

from pathlib import Path
from typing import Any

from clairo.artifacts import Sequences, store
from clairo.config import ReportConfig
from clairo.report import examples, records, users
from clairo.report.merges import merges
from clairo.report.pages import html
from clairo.report.rankings import BLEND, Condition, Rankings
from clairo.report.results import Catalogue, conditions, popularity, results

JSON = "report.json"
HTML = "report.html"
_HEADLINE = ("recall@10", "ndcg@10")


def make(cfg: ReportConfig, *, run: Path, out: Path, seed: int, stages: list[str]) -> dict[str, Any]:
    """Write `report.json`, `report.html` and `users.parquet` into `out`.

    Args:
        cfg: title, tail and resamples.
        run: the run folder; only `sequences` must be there, whatever else stands is read.
        out: where to write.
        seed: of the run, for resamples and the choice of examples.
        stages: names of the stages that belong to the run; folders of others are left alone.
    """
    table, noted = Sequences.load(run / "sequences"), records.stages(run, stages)
    items = Catalogue.of(table, cfg.tail_share)
    measured = conditions(run / "recommendations", table) if "recommendations" in noted else {}
    users.write(out / users.FILE, measured, table, items)
    report = assemble(cfg, run, noted, table, items, measured, seed)
    store.write_json(out / JSON, report)
    store.write_text(out / HTML, html(store.read_json(out / JSON)))
    return {
        name: {key: report[name][key] for key in _HEADLINE}
        for name in ("validation", "test", "masked")
        if name in report
    }


def assemble(
    cfg: ReportConfig,
    run: Path,
    noted: dict[str, dict[str, Any]],
    table: Sequences,
    items: Catalogue,
    measured: dict[str, tuple[Condition, Rankings]],
    seed: int,
) -> dict[str, Any]:
    """The whole report as a JSON-able value with finite numbers.

    Args:
        cfg: title, tail and resamples.
        run: the run folder.
        noted: what the run's stages noted (see `records.stages`).
        table: the sequences.
        items: the items as training saw them.
        measured: rankings by condition.
        seed: of the run.
    """
    searched = noted.get("recommendations", {}).get("report", {})
    report: dict[str, Any] = {
        "title": cfg.title,
        "seed": seed,
        "tail_share": cfg.tail_share,
        "config": records.config(run),
        "versions": records.versions(noted),
        "stages": noted,
        "dataset": records.dataset(table),
        "training": records.training(run / "model") if "model" in noted else None,
        "merges": merges(run / "vocabulary") if "vocabulary" in noted else None,
        "search": searched.get("search"),
        "popularity": popularity(measured, table, items),
        "examples": examples.examples(run / "sequences", measured, table, items.events, seed),
        **results(measured, table, items, resamples=cfg.resamples, seed=seed),
    }
    for name in measured:
        if "invalid_rate" in searched.get(name, {}):
            report[name]["invalid_rate"] = searched[name]["invalid_rate"]
    if BLEND in report:
        report[BLEND] |= searched.get(BLEND, {})
    finite: dict[str, Any] = records.finite(report)
    return finite

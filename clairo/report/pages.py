"""The report's page: from the JSON of a report to one HTML file that needs nothing else."""

import importlib.resources
from typing import Any

import jinja2

from clairo.report import page_catalogue, page_records, page_results

_SECTIONS = (
    page_results.results,
    page_results.slices,
    page_catalogue.catalogue,
    page_catalogue.examples,
    page_records.training,
    page_records.tokens,
    page_records.data,
    page_records.costs,
    page_records.method,
)


def html(report: dict[str, Any]) -> str:
    """The page of a report, as `report.json` holds it. Text of the data is escaped, nothing is loaded."""
    text = (importlib.resources.files("clairo.report") / "template.html").read_text("utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(text)
    sections = [section for make in _SECTIONS if (section := make(report)) is not None]
    page = template.render(title=report["title"], lead=_lead(report), sections=sections)
    return page.encode("utf-8", "replace").decode("utf-8")  # an id may hold half a character


def _lead(report: dict[str, Any]) -> str:
    data = report["dataset"]
    counts = ", ".join(f"{data[key]:,} {key}" for key in ("users", "items", "events"))
    return f"{counts}; seed {report['seed']}"

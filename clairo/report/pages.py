"""The report's page: from the JSON of a report to one HTML file that needs nothing else."""

import importlib.resources
from typing import Any

import jinja2

from clairo.report import page_catalogue, page_records, page_results
from clairo.report.parts import Section

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
    sections = [section for make in _SECTIONS if (section := make(report)) is not None]
    return render(report["title"], _lead(report), sections)


def render(title: str, lead: str, sections: list[Section]) -> str:
    """A page of sections, in one file that needs nothing else."""
    text = (importlib.resources.files("clairo.report") / "template.html").read_text("utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(text)
    page = template.render(title=title, lead=lead, sections=sections)
    return page.encode("utf-8", "replace").decode("utf-8")  # an id may hold half a character


def _lead(report: dict[str, Any]) -> str:
    data = report["dataset"]
    counts = ", ".join(f"{data[key]:,} {key}" for key in ("users", "items", "events"))
    return f"{counts}; seed {report['seed']}"

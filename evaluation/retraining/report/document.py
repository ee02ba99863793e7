"""docs/EVIDENCE.md, written whole from the committed records: what is not recorded is not measured."""

from __future__ import annotations

import os
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation.files import write_whole
from evaluation.retraining.report.evidence import Evidence
from evaluation.retraining.report.glance import at_a_glance
from evaluation.retraining.report.sections import SECTIONS
from evaluation.retraining.report.written import FOLDER, Written

# Markdown, in which nothing is to be escaped.
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=False,
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
GLANCE, PLAINLY = "## At a glance\n", "## In plain words\n"
IN_BRIEF = (
    "The reference",
    "Without the images that a method names",
    "Single pictures: loss against K",
    "The page's test of an answer",
    "What was hoped for",
)
NOT_YET = "Not measured yet."


def evidence_document(evidence: Evidence) -> tuple[str, dict[str, str]]:
    """The document, and its charts by file name."""
    written = [(section, section.write(evidence) or _nothing(section.asks)) for section in SECTIONS]
    sections = [(section.title, found.plainly, found.text.strip()) for section, found in written]
    text = TEMPLATES.get_template("evidence.md.jinja").render(
        sections=sections, series=evidence.main, glance=at_a_glance(evidence)
    )
    return text, {name: chart for _, found in written for name, chart in found.charts.items()}


def in_brief(document: str) -> str:
    """What a document of the evidence says at a glance, and in plain words of what matters most."""
    plainly = _part(document, PLAINLY).splitlines()
    lines = [line for line in plainly if any(line.startswith(f"- **{title}") for title in IN_BRIEF)]
    glance = _part(document, GLANCE) if GLANCE in document else ""
    return "\n".join([glance, "", *lines]).strip()


def _part(document: str, title: str) -> str:
    start = document.index(title) + len(title)
    return document[start : document.index("\n## ", start)].strip()


def write_evidence(evidence: Evidence, document: Path) -> str:
    """Write the document, and its charts beside the records; its text."""
    text, charts = evidence_document(evidence)
    here = Path(os.path.relpath(evidence.folder, document.parent)).as_posix()
    text = text.replace(f"]({FOLDER}/", f"]({here}/")
    for name, chart in charts.items():
        write_whole(evidence.folder / name, chart.encode())
    write_whole(document, text.encode())
    return text


def _nothing(asks: str) -> Written:
    return Written(f"{NOT_YET} It takes `python -m evaluation retraining {asks}`.", NOT_YET)

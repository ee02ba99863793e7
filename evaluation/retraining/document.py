"""docs/EVIDENCE.md, written whole from the committed records: what is not recorded is not measured."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from evaluation.files import write_whole
from evaluation.retraining.evidence import Evidence
from evaluation.retraining.sections import SECTIONS
from evaluation.retraining.written import Written

# Markdown, in which nothing is to be escaped.
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=False,
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)
PLAINLY = "## In plain words\n"
NOT_YET = "Not measured yet."


def evidence_document(evidence: Evidence) -> tuple[str, dict[str, str]]:
    """The document, and its charts by file name."""
    written = [(section, section.write(evidence) or _nothing(section.asks)) for section in SECTIONS]
    sections = [(section.title, found.plainly, found.text.strip()) for section, found in written]
    text = TEMPLATES.get_template("evidence.md.jinja").render(sections=sections, series=evidence.main)
    return text, {name: chart for _, found in written for name, chart in found.charts.items()}


def in_plain_words(document: str) -> str:
    """What a document of the evidence says in plain words, a line a question, to stand in another one."""
    start = document.index(PLAINLY) + len(PLAINLY)
    return document[start : document.index("\n## ", start)].strip()


def write_evidence(evidence: Evidence, document: Path) -> str:
    """Write the document, and its charts beside the records; its text."""
    text, charts = evidence_document(evidence)
    for name, chart in charts.items():
        write_whole(evidence.folder / name, chart.encode())
    write_whole(document, text.encode())
    return text


def _nothing(asks: str) -> Written:
    return Written(f"{NOT_YET} It is planned by `python -m evaluation retraining plan {asks}`.", NOT_YET)

"""A section of the evidence, and the question that it answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from evaluation.retraining.evidence import Evidence

FOLDER = "evaluation/retraining"  # of the charts, from the document


@dataclass(frozen=True)
class Written:
    """A section's text, the sentence that says it in plain words, and its charts by file name."""

    text: str
    plainly: str
    charts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """A question, and what answers it; `write` gives None where nothing is recorded."""

    title: str
    asks: str
    write: Callable[[Evidence], Written | None]

"""A section of the evidence, and the question that it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from evaluation import markdown
from evaluation.retraining.plans import YARDSTICKS
from evaluation.retraining.report.effects import Effect, Interval
from evaluation.retraining.report.evidence import Evidence

FOLDER = "evaluation/retraining"  # of the charts, from the document


def called(method: str) -> str:
    """A method's name, or what methods are held against."""
    return f"*{method}*" if method in YARDSTICKS else f"`{method}`"


def listed(methods: Sequence[str]) -> str:
    return ", ".join(map(called, methods))


def seeds(count: int) -> str:
    return "one seed" if count == 1 else f"{count} seeds"


def percent(effect: Effect) -> str:
    """An effect that is a share, and its interval if it has one."""
    return markdown.percent(effect.value, effect.interval)


def signed(value: float, ends: Interval | None) -> str:
    """A figure of about one, with its sign, and its interval if it has one."""
    return f"{value:+.2f}" + ("" if ends is None else f" [{ends[0]:+.2f}, {ends[1]:+.2f}]")


@dataclass(frozen=True)
class Written:
    """A section's text, the sentence that says it in plain words, and its charts by file name."""

    text: str
    plainly: str
    charts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """A question, and what answers it; `write` gives None where nothing is recorded.

    Attributes:
        asks: what `python -m evaluation retraining` is to be asked for it.
    """

    title: str
    asks: str
    write: Callable[[Evidence], Written | None]

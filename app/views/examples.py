"""The example questions as buttons."""

from __future__ import annotations

from collections.abc import Sequence

from app.frontend.templates import render
from app.runs.examples import ExampleQuestion


def example_list(questions: Sequence[ExampleQuestion]) -> str:
    """Buttons; their index is all that comes back."""
    return render("examples.html", questions=[(each.prompt, _asks(each)) for each in questions])


def _asks(question: ExampleQuestion) -> str:
    if question.box is None:
        return "the whole picture"
    return f"where is {question.about} from?" if question.about else "a part of it"

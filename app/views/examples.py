"""The example questions as buttons."""

from __future__ import annotations

import html
from collections.abc import Sequence

from app.runs.examples import ExampleQuestion


def example_list(questions: Sequence[ExampleQuestion]) -> str:
    """Buttons; their index is all that comes back."""
    buttons = "".join(
        f'<li><button type="button" data-index="{index}"><span>{html.escape(question.prompt)}</span>'
        f"<small>{html.escape(_asked(question))}</small></button></li>"
        for index, question in enumerate(questions)
    )
    return f'<ul class="questions">{buttons}</ul>'


def _asked(question: ExampleQuestion) -> str:
    if question.box is None:
        return "the whole picture"
    return f"where is {question.about} from?" if question.about else "a part of it"

"""Questions to start from: prompts with a seed and perhaps a box, in a file beside the workspace."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from attribution.errors import BoxError, WorkspaceError
from attribution.query import Box


@dataclass(frozen=True)
class Question:
    prompt: str
    seed: int
    box: Box | None = None
    about: str = ""  # what the box holds, in words


def read_questions(path: Path) -> tuple[Question, ...]:
    """The file's questions; none if there is no such file.

    Raises:
        WorkspaceError: the file is there and is not a list of questions.
    """
    if not path.is_file():
        return ()
    try:
        return tuple(
            Question(
                str(line["prompt"]),
                int(line["seed"]),
                Box(*map(float, line["box"])) if line.get("box") else None,
                str(line.get("about", "")),
            )
            for line in json.loads(path.read_text(encoding="utf-8"))
        )
    except (BoxError, ValueError, KeyError, TypeError) as problem:
        raise WorkspaceError(f"{path} is not a list of example questions: {problem}") from None


def question_list(questions: Sequence[Question]) -> str:
    """Buttons; their index is all that comes back."""
    buttons = "".join(
        f'<li><button type="button" data-index="{index}"><span>{html.escape(question.prompt)}</span>'
        f"<small>{html.escape(_asked(question))}</small></button></li>"
        for index, question in enumerate(questions)
    )
    return f'<ul class="questions">{buttons}</ul>'


def _asked(question: Question) -> str:
    if question.box is None:
        return "the whole picture"
    return f"where is {question.about} from?" if question.about else "a part of it"

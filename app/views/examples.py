"""The example questions as buttons, and those whose answers are kept as pictures."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from app.frontend.templates import render
from app.runs.archive import RunArchive
from app.runs.examples import ExampleQuestion
from app.views.pictures import data_uri
from attribution.errors import RunError

SIDE = 96  # pixels

log = logging.getLogger("whence")


def example_list(questions: Sequence[ExampleQuestion]) -> str:
    """Buttons; their index is all that comes back."""
    return render("examples.html", questions=[(each.prompt, _asks(each)) for each in questions])


def _asks(question: ExampleQuestion) -> str:
    if question.box is None:
        return "the whole picture"
    return f"where is {question.about} from?" if question.about else "a part of it"


def kept_example_row(archive: RunArchive, questions: Sequence[ExampleQuestion]) -> str:
    """The pictures of the examples, where the answers to all of them are kept; "" otherwise."""
    found = [each for question in questions for each in _kept(archive, question)]
    return render("arrival.html", examples=found) if found and len(found) == len(questions) else ""


def _kept(archive: RunArchive, question: ExampleQuestion) -> Iterator[dict[str, Any]]:
    """One example, if its answer is there and of this workspace."""
    try:
        run, picture = archive.summary(question.run_id), archive.picture(question.run_id)
    except RunError as problem:  # it is asked anew, from the list of examples
        log.info("an example has no kept answer: %s", problem)
        return
    yield {
        "run": run.id,
        "picture": data_uri(picture, SIDE),
        "words": f"{question.prompt}: {_asks(question)}",
        "box": run.boxes[0].as_tuple() if run.boxes else None,
    }

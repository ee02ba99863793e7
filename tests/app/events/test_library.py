"""Laws of looking into the library."""

from __future__ import annotations

from typing import Any

import pytest

from app.events.context import PageContext
from app.events.library import LibraryEvents
from app.runs.library import MOST_TEXT
from app.runtime.sessions import Session, Upload
from tests.worlds.gradio_event import event
from tests.worlds.markup import Reader


def look(page: PageContext, request_of: Any, /, **question: Any) -> dict[str, Any]:
    return LibraryEvents(page).look(event(question=question, at=3.0), request_of)


def shown(found: dict[str, Any]) -> list[str]:
    return [text for text in Reader(found["html"]).texts if text.startswith("train-")][::2]


def test_an_answer_says_which_question_it_is_of(page: PageContext, request_of: Any) -> None:
    found = look(page, request_of)
    assert (found["does"], found["at"]) == ("shelf", 3.0)
    assert shown(found) == [example.id for example in page.workspace.training_set.examples[:48]]
    assert shown(look(page, request_of, page=2))[0] == page.workspace.training_set.ids[48]
    assert shown(look(page, request_of, page=99)) == []


def test_a_filter_s_own_column_still_counts_the_other_values(page: PageContext, request_of: Any) -> None:
    found = look(page, request_of, filters=[["ground", "snow"], ["ground", "a field"]])
    both = [e for e in page.workspace.training_set.examples if e.metadata["ground"] in ("snow", "a field")]
    assert f"{len(both)} of 96" in found["html"]
    of_road = sum(e.metadata["ground"] == "a road" for e in page.workspace.training_set.examples)
    after = found["columns"].split('data-value="a road"')[1]
    assert f"<small>{of_road}</small>" in after[:120]


@pytest.mark.parametrize(
    "question",
    [
        {"page": 0},
        {"page": "2"},
        {"text": "x" * (MOST_TEXT + 1)},
        {"filters": [["ground"]]},
        {"filters": [["colour", "red"]]},
        {"filters": [["ground", "../../etc"]]},
        {"like": "../../etc/passwd"},
        {"like": "brought"},
        {"like": "train-00001", "space": "nothing"},
        {"text": "a cat", "by": "nothing"},
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    page: PageContext, request_of: Any, question: dict[str, Any]
) -> None:
    found = look(page, request_of, **question)
    assert found["does"] == "problem"
    assert "\n" not in found["words"]
    assert "Something went wrong" not in found["words"]


def test_a_picture_that_was_brought_is_the_page_s_own(
    page: PageContext, session: Session, request_of: Any
) -> None:
    image = page.workspace.training_set.image(30)
    token = page.uploads.put(Upload(image, {}))
    assert LibraryEvents(page).bring(event(token=token, at=1.0), request_of)["does"] == "brought"
    assert session.brought is image
    for space in ("clip", "dino", "pixel"):
        assert shown(look(page, request_of, like="brought", space=space))[0] == "train-00030"
    assert LibraryEvents(page).bring(event(token=token, at=2.0), request_of)["does"] == "problem"

"""Laws of making a picture, without a browser."""

from __future__ import annotations

from typing import Any

import pytest

from app.events.context import PageContext
from app.events.generate import GenerateEvents
from app.runtime.queue import GIVEN_UP
from app.runtime.sessions import Session
from tests.worlds.gradio_event import event


@pytest.fixture
def generate(page: PageContext) -> GenerateEvents:
    return GenerateEvents(page)


def test_a_picture_that_is_asked_for_is_made_and_known_by_its_settings(
    generate: GenerateEvents, page: PageContext, request_of: Any
) -> None:
    begun = generate.begin(" a dog ", 7, 2, 2.0, "", request_of)
    assert 'data-kind="generate"' in begun[page.action.status]
    *_, last = generate.run(request_of)
    picture = page.session(request_of).picture
    assert picture is not None
    assert (picture.caption, picture.made["seed"], picture.made["steps"]) == ("a dog", 7, 2)
    assert last[page.stage.view]["src"].startswith("data:image/webp")
    assert generate.reuse_seed(request_of) == 7
    assert list(generate.run(request_of)) == [page.unchanged()]  # asked for once, made once


@pytest.mark.parametrize(
    "form", [("", 0, 2, 2.0, ""), ("a dog", None, 2, 2.0, ""), ("a dog", 0, 9999, 2.0, "")]
)
def test_what_cannot_be_made_is_said(
    generate: GenerateEvents, page: PageContext, request_of: Any, form: tuple[str, Any, int, float, str]
) -> None:
    assert 'data-state="failed"' in generate.begin(*form, request_of)[page.action.status]
    assert page.session(request_of).generation is None


def test_a_stopped_picture_leaves_the_one_before(
    generate: GenerateEvents, page: PageContext, session: Session, request_of: Any
) -> None:
    before = session.picture
    generate.begin("a dog", 1, 9, 2.0, "", request_of)
    updates = generate.run(request_of)
    next(updates)
    session.stop.set()
    *_, last = updates
    assert "Stopped" in last[page.action.status]
    assert session.picture is before


def test_a_picture_that_is_done_as_the_person_goes_back_stays_away(
    generate: GenerateEvents,
    page: PageContext,
    session: Session,
    request_of: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = session.picture
    generate.begin("a dog", 1, 1, 2.0, "", request_of)
    monkeypatch.setattr("app.events.generate.unread_words", lambda *_: session.begin() and "")
    *_, last = generate.run(request_of)
    assert last == page.unchanged()
    assert session.picture is before


def test_an_example_fills_the_form_and_asks_its_question_next(
    generate: GenerateEvents, page: PageContext, request_of: Any
) -> None:
    updates = generate.pick_example(event(index=0), request_of)
    session = page.session(request_of)
    assert updates[page.source.form.prompt] == page.examples[0].prompt
    assert session.ask_next
    for wrong in (-1, 99, "0", None):
        failed = generate.pick_example(event(index=wrong), request_of)
        assert "no such example" in failed[page.action.status]


def test_a_picture_that_takes_minutes_keeps_its_place(
    generate: GenerateEvents, page: PageContext, request_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: Whoever is at the model has their place for as long as it works for them."""
    now = 0.0
    monkeypatch.setattr(page.queue, "_clock", lambda: now)
    generate.begin("a dog", 7, 5, 2.0, "", request_of)
    steps = 0
    for updates in generate.run(request_of):
        if page.stage.legend not in updates:  # it is not there yet
            now, steps = now + GIVEN_UP / 2, steps + 1
            assert not page.queue.is_empty
    assert steps > 2

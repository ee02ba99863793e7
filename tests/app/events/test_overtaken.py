"""Laws of what has been overtaken by something that was begun since, without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from app.events.attribute import AttributeEvents
from app.events.context import PageContext
from app.events.counterfactual import CounterfactualEvents, checks
from app.events.generate import GenerateEvents
from app.events.history import HistoryEvents
from app.events.upload import UploadEvents
from app.runs.run import Run
from app.runtime.sessions import Session, Upload
from tests.worlds.answers import solid
from tests.worlds.gradio_event import event

NO_BOX = (None,) * 4
FORM = ("a dog", 1, 3, 2.0, "")
Steps = Iterator[dict[Any, Any]]


@pytest.fixture
def attribute(page: PageContext) -> AttributeEvents:
    return AttributeEvents(page)


@pytest.fixture
def generate(page: PageContext) -> GenerateEvents:
    return GenerateEvents(page)


def ask(attribute: AttributeEvents, request_of: Any, *methods: str) -> Steps:
    """The updates of a question that was asked just now."""
    attribute.begin(list(methods), "instant", "", *NO_BOX, request_of)
    return attribute.run(request_of)


def half_answered(attribute: AttributeEvents, session: Session, request_of: Any) -> Steps:
    """The updates that are still to come, after the first ranking."""
    updates = ask(attribute, request_of, "pixel", "clip")
    while session.run is None or not any(part.rankings for part in session.run.parts):
        next(updates)
    return updates


def kept_run(attribute: AttributeEvents, session: Session, request_of: Any) -> Run:
    list(ask(attribute, request_of, "pixel"))
    assert session.run is not None
    return session.run


def says_nothing(page: PageContext, updates: Steps) -> bool:
    """Whether the buttons and the status line are left as they are."""
    action, generate = page.action, page.source.form.generate
    skipped = page.unchanged()
    return all(
        not {action.attribute, action.stop, generate} & each.keys()
        and each.get(action.status, skipped[action.status]) == skipped[action.status]
        for each in updates
    )


def test_an_answer_that_a_new_picture_overtakes_leaves_its_stop_alone(
    page: PageContext, attribute: AttributeEvents, generate: GenerateEvents, session: Session,
    request_of: Any,
) -> None:  # fmt: skip
    """Law: What was overtaken writes nothing over what came after it, and is at rest once that is."""
    updates = half_answered(attribute, session, request_of)
    assert page.action.stop in generate.begin(*FORM, request_of)
    ends = list(updates)
    assert says_nothing(page, iter(ends))
    assert "waiting" not in ends[-1][page.answer.grid]  # what was measured stays, and nothing more comes
    *_, last = generate.run(request_of)
    assert page.action.stop in last
    assert session.is_quiet


def test_a_question_asked_again_is_not_ended_by_the_one_that_was_stopped(
    page: PageContext, attribute: AttributeEvents, session: Session, request_of: Any
) -> None:
    before = half_answered(attribute, session, request_of)
    attribute.stop(request_of)
    again = ask(attribute, request_of, "pixel")
    next(again)
    run = session.run
    assert list(before) == [page.unchanged()]
    assert session.run is run
    assert not session.at_rest
    *_, whole, _ = again
    assert 'data-state="done"' in whole[page.action.status]


def test_a_kept_run_that_is_opened_meanwhile_stays_as_it_is(
    page: PageContext, attribute: AttributeEvents, session: Session, request_of: Any
) -> None:
    kept = kept_run(attribute, session, request_of)
    updates = half_answered(attribute, session, request_of)
    list(HistoryEvents(page).restore(event(id=kept.id), request_of))
    assert list(updates) == [page.unchanged()]
    assert session.shows(kept)
    assert session.is_quiet


def test_an_answer_whose_picture_left_as_it_was_kept_has_its_link_but_not_the_address(
    page: PageContext, attribute: AttributeEvents, session: Session, request_of: Any
) -> None:
    updates = ask(attribute, request_of, "pixel")
    while session.run is None or not session.run.answered or not session.at_rest:
        next(updates)
    run = session.run
    token = page.uploads.put(Upload(solid("teal"), {}))
    UploadEvents(page).receive(event(token=token), "a dog", request_of)
    assert list(updates) == [page.unchanged()]
    assert page.archive.read(run.id).answered
    assert run.id in session.kept


def test_of_two_examples_the_second_asks_its_question(
    page: PageContext, attribute: AttributeEvents, generate: GenerateEvents, request_of: Any
) -> None:
    generate.pick_example(event(index=0), request_of)
    first = generate.run(request_of)
    next(first)
    generate.pick_example(event(index=1), request_of)
    assert says_nothing(page, first)
    assert attribute.begin_example(["pixel"], "instant", request_of) == page.unchanged()
    list(generate.run(request_of))
    assert page.action.stop in attribute.begin_example(["pixel"], "instant", request_of)
    session = page.session(request_of)
    assert session.waiting is not None
    assert session.waiting.caption == page.examples[1].prompt


def test_what_is_refused_leaves_the_stop_of_what_runs(
    page: PageContext, attribute: AttributeEvents, generate: GenerateEvents, session: Session,
    request_of: Any,
) -> None:  # fmt: skip
    updates = half_answered(attribute, session, request_of)
    for refused in (
        UploadEvents(page).receive(event(refused="too large"), "", request_of),
        generate.begin("", *FORM[1:], request_of),
        generate.pick_example(event(index=99), request_of),
        attribute.begin([], "instant", "", *NO_BOX, request_of),
        *HistoryEvents(page).restore(event(id="x"), request_of),
    ):
        assert 'data-state="failed"' in refused[page.action.status]
        assert page.action.stop not in refused
    *_, whole, _ = updates
    assert 'data-state="done"' in whole[page.action.status]
    assert page.action.stop in generate.begin("", *FORM[1:], request_of)  # nothing runs


def test_a_picture_that_a_test_stops_says_so(
    page: PageContext, attribute: AttributeEvents, generate: GenerateEvents, session: Session,
    request_of: Any,
) -> None:  # fmt: skip
    kept_run(attribute, session, request_of)
    generate.begin(*FORM, request_of)
    updates = generate.run(request_of)
    next(updates)
    CounterfactualEvents(page, checks(page.answer.counterfactual)[0]).begin(None, 5, request_of)
    *_, last = updates
    assert "Stopped." in last[page.action.status]
    assert page.action.stop in last

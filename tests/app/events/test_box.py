"""Laws of boxes drawn, typed, chosen and taken away, without a browser."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from app.events.attribute import AttributeEvents
from app.events.box import NO_SIDES, BoxEvents
from app.events.context import PageContext
from app.runs.run import MAX_PARTS
from app.runtime.sessions import Session
from attribution.query import Box
from tests.worlds.gradio_event import event

LEFT, RIGHT = (0.0, 0.25, 0.5, 1.0), (0.5, 0.25, 1.0, 1.0)


@pytest.fixture
def box(page: PageContext) -> BoxEvents:
    return BoxEvents(page)


def test_a_box_that_is_drawn_is_on_the_picture_and_in_the_fields(
    box: BoxEvents, page: PageContext, session: Session, request_of: Any
) -> None:
    updates = box.draw(event(box=list(LEFT), index=0), request_of)
    assert session.boxes == (Box(*LEFT),)
    assert updates[page.stage.view]["boxes"][0]["box"] == list(LEFT)
    assert [updates[side] for side in page.stage.sides] == list(LEFT)


def test_a_box_that_is_typed_leaves_the_fields_alone(
    box: BoxEvents, page: PageContext, session: Session, request_of: Any
) -> None:
    assert box.type_sides(0.0, 0.25, None, 1.0, request_of) == page.unchanged()  # still typing
    updates = box.type_sides(*LEFT, request_of)
    assert session.boxes == (Box(*LEFT),)
    assert not set(page.stage.sides) & updates.keys()


def test_a_field_that_is_left_does_not_bring_back_what_was_cleared(
    box: BoxEvents, page: PageContext, session: Session, request_of: Any
) -> None:
    """Law: Leaving a field says what was typed once: it brings no box back that was cleared since."""
    box.type_sides(*LEFT, request_of)
    box.clear(request_of)
    assert (
        box.type_sides(*LEFT, request_of) == page.unchanged()
    )  # the field was left for Clear, and is late
    assert session.boxes == ()
    box.type_sides(*LEFT[:3], None, request_of)  # the fields are empty now, and filled again
    box.type_sides(*LEFT, request_of)
    assert session.boxes == (Box(*LEFT),)
    box.draw(event(box=list(RIGHT), index=0), request_of)
    box.type_sides(*LEFT, request_of)
    assert session.boxes == (Box(*LEFT),)


def test_a_box_that_makes_no_sense_is_complained_of_until_it_is_mended(
    box: BoxEvents, page: PageContext, session: Session, request_of: Any
) -> None:
    refused = box.type_sides(0.5, 0, 0.1, 1, request_of)[page.action.status]
    assert 'data-state="failed"' in refused
    assert session.boxes == ()
    mended = box.type_sides(*LEFT, request_of)[page.action.status]
    assert 'data-state="idle"' in mended
    assert page.action.status not in box.type_sides(*RIGHT, request_of)


def test_another_box_is_added_where_asked_for_and_no_more_than_the_most(
    box: BoxEvents, page: PageContext, session: Session, request_of: Any
) -> None:
    box.draw(event(box=list(LEFT), index=0), request_of)
    box.add(request_of)
    assert session.active == 1
    box.add(request_of)  # pressed again, it is not
    assert session.active == 0
    for number in range(1, MAX_PARTS + 2):
        box.draw(event(box=list(RIGHT), index=number), request_of)
    assert len(session.boxes) == MAX_PARTS
    assert box.add(request_of) == page.unchanged()


def test_boxes_are_chosen_and_removed_by_their_number_and_cleared(
    box: BoxEvents, page: PageContext, session: Session, request_of: Any
) -> None:
    for number, sides in enumerate((LEFT, RIGHT)):
        box.draw(event(box=list(sides), index=number), request_of)
    box.choose(event(index=0), request_of)
    assert session.active == 0
    for wrong in (7, -1, "0", None):
        assert box.choose(event(index=wrong), request_of) == page.unchanged()
        assert box.remove(event(index=wrong), request_of) == page.unchanged()
    box.remove(event(index=0), request_of)
    assert session.boxes == (Box(*RIGHT),)
    box.clear(request_of)
    assert not session.boxes


def test_without_a_picture_there_is_nothing_to_draw_on(
    box: BoxEvents, page: PageContext, request_of: Any
) -> None:
    for updates in (
        box.draw(event(box=list(LEFT), index=0), request_of),
        box.choose(event(index=0), request_of),
        box.add(request_of),
        box.clear(request_of),
    ):
        assert updates == page.unchanged()


def test_an_answer_is_greyed_once_another_part_is_marked_and_says_of_what_it_was(
    box: BoxEvents, page: PageContext, session: Session, request_of: Any
) -> None:
    """Law: An answer that is no longer the question's says so at once, and cannot be taken away."""
    answer, attribute = page.answer, AttributeEvents(page)
    session.boxes = (Box(*LEFT),)
    attribute.begin(["pixel"], "instant", "", *NO_SIDES, request_of)
    *_, whole, _ = attribute.run(request_of)
    assert whole[answer.downloads.json]["interactive"]
    other = box.draw(event(box=list(RIGHT), index=0), request_of)
    assert "It is about this part" in other[answer.stale]
    assert [other[each]["interactive"] for each in answer.downloads.outputs()] == [False] * 3
    assert 'data-state="idle"' in other[page.action.status]
    same = box.draw(event(box=list(LEFT), index=0), request_of)
    assert same[answer.stale] == ""
    assert same[answer.downloads.report]["interactive"]
    assert 'data-state="done"' in same[page.action.status]


def test_what_was_asked_comes_back_and_a_new_question_ends_the_old_answer(
    box: BoxEvents, page: PageContext, session: Session, request_of: Any
) -> None:
    attribute = AttributeEvents(page)
    session.boxes = (Box(*LEFT), Box(*RIGHT))
    attribute.begin(["pixel"], "instant", "", *NO_SIDES, request_of)
    list(attribute.run(request_of))
    assert "It is about parts A and B" in box.clear(request_of)[page.answer.stale]
    back = box.back(request_of)
    assert session.boxes == (Box(*LEFT), Box(*RIGHT))
    assert back[page.answer.stale] == ""
    box.clear(request_of)
    begun = attribute.begin(["pixel"], "instant", "", *NO_SIDES, request_of)
    assert begun[page.answer.stale] == ""
    assert not session.stale


def test_another_caption_of_an_upload_makes_its_answer_one_of_before(
    box: BoxEvents, page: PageContext, session: Session, request_of: Any
) -> None:
    assert session.picture is not None
    session.show(replace(session.picture, caption="", original_size=(64, 64)))
    attribute = AttributeEvents(page)
    attribute.begin(["pixel"], "instant", "a dog", *NO_SIDES, request_of)
    list(attribute.run(request_of))
    other = box.write_caption("a cat", request_of)
    assert "a dog" in other[page.answer.stale]
    assert box.back(request_of)[page.source.caption] == "a dog"
    assert box.write_caption(" a dog ", request_of)[page.answer.stale] == ""


def test_an_answer_that_was_never_there_is_not_said_to_be_of_before(
    box: BoxEvents, page: PageContext, session: Session, request_of: Any
) -> None:
    assert box.draw(event(box=list(RIGHT), index=0), request_of)[page.answer.stale] == ""
    assert box.back(request_of) == page.unchanged()


def test_a_box_that_comes_late_takes_no_place_from_one_that_was_drawn_since(
    box: BoxEvents, page: PageContext, session: Session, request_of: Any
) -> None:
    drawn = box.draw(event(box=list(RIGHT), index=0, at=2.0), request_of)
    assert drawn[page.stage.view]["at"] == 2.0
    assert box.draw(event(box=list(LEFT), index=0, at=1.0), request_of) == page.unchanged()
    assert session.boxes == (Box(*RIGHT),)


def test_a_box_that_is_typed_is_asked_about_though_its_field_was_not_left(
    box: BoxEvents, page: PageContext, session: Session, request_of: Any
) -> None:
    """Law: What is asked about is what the fields of the box say, unless the box has moved since."""
    attribute = AttributeEvents(page)
    box.draw(event(box=list(LEFT), index=0), request_of)
    begun = attribute.begin(["pixel"], "instant", "", *RIGHT, request_of)
    assert session.boxes == (Box(*RIGHT),)
    assert begun[page.stage.view]["boxes"][0]["box"] == list(RIGHT)
    assert session.waiting is not None
    assert [part.query.box for part in session.waiting.parts] == [Box(*RIGHT)]
    assert box.type_sides(*RIGHT, request_of) == page.unchanged()  # the field is left at last
    box.draw(event(box=list(LEFT), index=0), request_of)
    attribute.begin(["pixel"], "instant", "", *RIGHT, request_of)  # as they were before it was drawn
    assert session.boxes == (Box(*LEFT),)

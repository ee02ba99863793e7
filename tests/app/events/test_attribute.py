"""Laws of a question that is asked on the page, without a browser."""

from __future__ import annotations

from typing import Any

import pytest

from app.events.attribute import AttributeEvents, summary
from app.events.comparison import ComparisonEvents
from app.events.context import PageContext
from app.events.history import HistoryEvents
from app.events.selection import SelectionEvents
from app.events.training_image import TrainingImageEvents
from app.runs.export import answer_json
from app.runs.run import Part, Picture, Run
from app.runs.selection import METHODS, PARTS
from app.runtime.sessions import Session
from app.views.report import report
from attribution.errors import CalibrationError
from attribution.methods.base import method
from attribution.query import Box, Query, Settings
from attribution.results import Entry, Ranking
from tests.worlds.answers import solid
from tests.worlds.gradio_event import event
from tests.worlds.rankings import ranking_of

WHITE = solid("white")
NO_BOX = (None,) * 4
ASKED = ["clip", "pixel"]


@pytest.fixture
def attribute(page: PageContext) -> AttributeEvents:
    return AttributeEvents(page)


@pytest.fixture
def answered(attribute: AttributeEvents, session: Session, request_of: Any) -> list[dict[Any, Any]]:
    """The updates of a question about two parts."""
    session.boxes = (Box(0, 0, 0.5, 1), Box(0.5, 0, 1, 1))
    begun = attribute.begin(ASKED, "instant", "", *NO_BOX, request_of)
    return [begun, *attribute.run(request_of)]


def test_an_answer_comes_strip_by_strip_and_is_kept(
    page: PageContext, session: Session, request_of: Any, answered: list[dict[Any, Any]]
) -> None:
    """Law: An answer comes ranking by ranking, and is kept once it is whole."""
    begun, *_, whole, kept = answered
    assert begun[page.answer.grid].count("waiting") == len(ASKED)
    assert 'data-state="done"' in whole[page.action.status]
    assert whole[page.answer.grid].count("<section") == 2  # its parts, under one method
    assert session.run is not None
    assert kept[page.answer.history]["does"] == "shown"
    assert [run["id"] for run in kept[page.answer.history]["kept"]] == [session.run.id]
    assert page.archive.read(session.run.id).answered


def test_whatever_the_browser_is_told_of_its_list_it_learns_which_runs_are_kept(
    page: PageContext, session: Session, request_of: Any, answered: list[dict[Any, Any]]
) -> None:
    """Law: The browser learns of a kept run, whichever of two messages at once it sees."""
    assert session.run is not None
    listed = HistoryEvents(page).look(event(ids=[]), request_of)[page.answer.history]
    assert [run["id"] for run in listed["kept"]] == [session.run.id]
    assert f'data-id="{session.run.id}"' in listed["html"]
    away = page.answer.nothing_yet(session.kept)[page.answer.history]
    assert (away["does"], away["kept"]) == ("away", listed["kept"])


def test_methods_and_parts_take_turns(
    page: PageContext, session: Session, request_of: Any, answered: list[dict[Any, Any]]
) -> None:
    selection = SelectionEvents(page)
    of_b = selection.select(METHODS, "1", None, None, "share", request_of)
    assert 'data-key="clip"' in of_b[page.answer.grid]
    by_pixel = selection.select(PARTS, None, "pixel", None, "share", request_of)
    assert by_pixel[page.answer.grid].count('data-method="pixel"') == 2
    pair = ComparisonEvents(page).pair("B", "A", request_of)
    assert "Part B" in str(pair[page.answer.comparison.ranks]["value"].layout.xaxis.title.text)
    for chosen in (*page.answer.selection.outputs(), page.answer.comparison.across):
        assert "value" not in {**by_pixel, **pair}[chosen]  # another may have been chosen since
    grouped = ComparisonEvents(page).group("B", "nothing", "sum", request_of)
    assert "sum of the scores" in grouped[page.answer.groups.words]


def test_an_earlier_run_stands_beside_this_one_until_asked_again(
    page: PageContext, attribute: AttributeEvents, session: Session, request_of: Any,
    answered: list[dict[Any, Any]],
) -> None:  # fmt: skip
    assert session.run is not None
    first, session.boxes = session.run, ()
    attribute.begin(["pixel"], "instant", "", *NO_BOX, request_of)
    list(attribute.run(request_of))
    compare = SelectionEvents(page).compare_with
    beside = compare(event(id=first.id), None, "share", request_of)
    assert beside[page.answer.grid].count("Earlier: ") == 2
    alone = compare(event(id=first.id), None, "share", request_of)
    assert "Earlier: " not in alone[page.answer.grid]
    assert compare(event(id=None), None, "share", request_of) == page.unchanged()


def test_a_kept_run_comes_back_by_its_link_and_goes_with_its_key(
    page: PageContext, session: Session, request_of: Any, answered: list[dict[Any, Any]]
) -> None:
    assert session.run is not None
    run, key = session.run, answered[-1][page.answer.history]["kept"][0]["key"]
    history = HistoryEvents(page)
    session.show(Picture(WHITE, "another"))
    *_, back = history.restore(event(id=run.id), request_of)
    assert session.picture is not None
    assert session.picture.caption == run.caption
    assert back[page.ask.methods] == ASKED
    assert back[page.answer.grid].count("<section") == 2
    gone = history.forget(event(runs=[{"id": run.id, "key": key}, "x"], ids=[run.id]), request_of)
    assert session.kept == {}
    assert run.id not in gone[page.answer.history]["html"]
    assert gone[page.answer.history]["forgotten"] == {"gone": [run.id], "stayed": []}
    *_, lost = history.restore(event(id=run.id), request_of)
    assert lost[page.answer.history]["does"] == "lost"


def test_a_training_image_is_opened_unless_a_later_one_was(
    page: PageContext, session: Session, request_of: Any, answered: list[dict[Any, Any]]
) -> None:
    images, ids = TrainingImageEvents(page), page.workspace.training_set.ids
    shown = images.open(event(id=ids[2], at=20.0), request_of)
    assert shown["id"] == ids[2]
    assert ">Part A<" in shown["html"]
    images.open(event(id=ids[1], at=10.0), request_of)  # asked for before, it comes after
    assert session.opened == (2, 20.0)
    used = images.use(event(id=ids[1]), request_of)
    assert ids[1] in used[page.action.status]
    assert session.picture is not None
    assert session.picture.made == {"training_image": ids[1]}
    assert images.use(event(id="nothing"), request_of) == page.unchanged()


def test_what_cannot_be_asked_is_said(
    page: PageContext, attribute: AttributeEvents, session: Session, request_of: Any
) -> None:
    no_method = attribute.begin([], "instant", "", *NO_BOX, request_of)
    half_a_box = attribute.begin(ASKED, "instant", "", 0.1, None, None, None, request_of)
    for refused in (no_method, half_a_box):
        assert 'data-state="failed"' in refused[page.action.status]
    assert list(attribute.run(request_of)) == [page.unchanged()]


def test_a_stopped_question_leaves_the_invitation_or_what_was_measured(
    page: PageContext, attribute: AttributeEvents, session: Session, request_of: Any
) -> None:
    """Law: A stopped question leaves what was measured."""
    attribute.begin(ASKED, "instant", "", *NO_BOX, request_of)
    stopped = attribute.stop(request_of)
    assert "board-empty" in stopped[page.answer.grid]
    assert list(attribute.run(request_of)) == [page.unchanged()]
    attribute.begin(ASKED, "instant", "", *NO_BOX, request_of)
    updates = attribute.run(request_of)
    while not any(part.rankings for part in session.run.parts if session.run):  # type: ignore[union-attr]
        next(updates)
    session.stop.set()
    *_, last = updates
    assert "What was measured is shown; it is not kept" in last[page.action.status]


def test_a_method_that_fails_leaves_the_others_answers_on_the_page(
    page: PageContext,
    attribute: AttributeEvents,
    session: Session,
    request_of: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Law: A run in which a method failed is shown, kept and restored with what the others answered."""

    def failing(*_: object) -> Any:
        raise CalibrationError("no step raised the loss")
        yield

    monkeypatch.setattr(type(method("pixel")), "score", failing)
    attribute.begin(["random", "pixel"], "instant", "", *NO_BOX, request_of)
    *_, whole, kept = attribute.run(request_of)
    assert "No answer from Raw pixels." in whole[page.action.status]
    assert "No step raised the loss" in whole[page.answer.grid]
    assert kept[page.answer.history]["does"] == "shown"
    assert session.run is not None
    (part,) = page.archive.read(session.run.id).parts
    assert part.attribution is not None
    assert (list(part.rankings), list(part.attribution.problems)) == (["random"], ["pixel"])
    written = report(session.run, page.workspace)
    assert "No answer: no step raised the loss" in written
    assert answer_json(session.run)["problems"] == {"pixel": "no step raised the loss"}


def run_of(rankings: dict[str, Ranking]) -> Run:
    part = Part("A", Query(WHITE, "a dog"), rankings)
    return Run(Picture(WHITE, "a dog"), "a dog", tuple(rankings), Settings(), (part,))


def entry(score: float, stderr: float | None = None) -> Entry:
    return Entry(1, "id", 0, "id.png", "a dog", score, stderr)


def test_the_summary_says_how_far_the_measuring_methods_looked() -> None:
    some = "a shortlist of 400 of 3,000 training images"
    slow = ranking_of([entry(1, 0.1)], "abu", title="AbU", seconds=3.0, candidates=some)
    fast = ranking_of([entry(1)], candidates="all 3,000 training images")
    assert summary(run_of({"abu": slow, "clip": fast})) == (
        "Done in 3.1 s. AbU measured a shortlist of 400 of 3,000 training images."
    )
    assert "Nothing was measured" in summary(run_of({"clip": fast}))
    left = summary(run_of({"clip": fast}), ("abu",))
    assert f"Instant measures nothing, so {method('abu').title} was not asked" in left


def test_a_method_that_instant_cannot_ask_is_named_and_not_dropped_in_silence(
    page: PageContext, attribute: AttributeEvents, session: Session, request_of: Any
) -> None:
    """Law: A method that was chosen and is not asked is named where the answer is said to be done."""
    attribute.begin(["abu", "pixel"], "instant", "", *NO_BOX, request_of)
    *_, whole, _ = attribute.run(request_of)
    assert f"{method('abu').title} was not asked" in whole[page.action.status]
    attribute.begin(["pixel"], "instant", "", *NO_BOX, request_of)
    *_, whole, _ = attribute.run(request_of)
    assert "not asked" not in whole[page.action.status]


def test_a_refused_question_leaves_the_answer_that_is_there(
    page: PageContext, attribute: AttributeEvents, session: Session, request_of: Any,
    answered: list[dict[Any, Any]],
) -> None:  # fmt: skip
    run = session.run
    attribute.begin([], "instant", "", *NO_BOX, request_of)
    assert session.run is run
    assert list(attribute.run(request_of)) == [page.unchanged()]

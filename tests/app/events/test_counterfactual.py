"""Laws of the runs that test an answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.events.context import PageContext
from app.events.counterfactual import CounterfactualEvents, checks, strip_to_test
from app.events.history import HistoryEvents
from app.runs.run import Picture, generation_of
from app.runtime.sessions import Session
from attribution.errors import SettingsError
from attribution.models.base import Generation
from tests.worlds.answers import answered_run, solid
from tests.worlds.gradio_event import event

GREY = solid("grey", 16)


def test_only_a_picture_that_this_model_made_is_made_again() -> None:
    made = {"prompt": "a dog", "seed": 4, "steps": 7, "guidance": 3.0, "model": "this"}
    assert generation_of(Picture(GREY, "a dog", made), "this") == Generation("a dog", 4, 7, 3.0)
    assert generation_of(Picture(GREY, "a dog", made), "another") is None
    assert generation_of(Picture(GREY, "a dog"), "this") is None
    with pytest.raises(SettingsError):
        generation_of(Picture(GREY, "a dog", {**made, "steps": 10**6}), "this")


def test_only_an_answer_that_is_there_can_be_tested(
    page: PageContext, session: Session, request_of: Any
) -> None:
    panel = page.answer.counterfactual
    events = CounterfactualEvents(page, checks(panel)[0])
    assert "no answer to test" in events.begin(None, 20, request_of)[panel.status]
    assert list(events.run(None, 20, request_of)) == [page.unchanged()]
    session.run = answered_run(page.workspace)
    for wrong in (0, 51, None, "3"):
        assert "choose between" in str(events.begin(None, wrong, request_of)[panel.status]).lower()  # type: ignore[arg-type]
    begun = events.begin("pixel", 3.0, request_of)
    assert "Waiting" in begun[panel.status]
    strip, number = strip_to_test(page, session, "pixel", 3.0)
    assert (strip.key, number) == ("pixel", 3)
    events.stop(request_of)
    assert session.check is not None
    assert session.check.is_set()


def test_a_test_that_was_stopped_is_kept_and_goes_on(
    page: PageContext, session: Session, request_of: Any
) -> None:
    """Law: What a stopped test has found is kept with the answer, and it goes on from there."""
    run = answered_run(page.workspace)
    session.run = run = replace(run, picture=replace(run.picture, made={**run.picture.made, "steps": 1}))
    page.archive.keep(run)
    panel, key = page.answer.counterfactual, ("pixel", 2.0)
    events = CounterfactualEvents(page, checks(panel)[0])
    events.begin(*key, request_of)
    for updates in events.run(*key, request_of):
        if 'data-stop="1"' in str(updates.get(panel.top_result)):
            events.stop(request_of)
    assert "stopped before" in updates[panel.top_result]
    (half,) = page.archive.read(run.id).proofs
    assert len(half.check.found) == 1
    *_, back = HistoryEvents(page).restore(event(id=run.id), request_of)
    assert "goes on with what is missing" in back[panel.status]
    events.begin(*key, request_of)
    lines = [updates for updates in events.run(*key, request_of) if panel.status in updates]
    assert not any("the first 2" in str(line[panel.status]) for line in lines)  # not unlearned again
    (whole,) = page.archive.read(run.id).proofs
    assert whole.check.final
    assert whole.check.outcome == half.check.outcome
    assert [each.name for each in whole.check.compared] == ["matched"]  # CLIP was not asked


@pytest.mark.parametrize("which", [0, 1])
def test_both_tests_end_with_a_verdict_in_their_own_place(
    page: PageContext, session: Session, request_of: Any, which: int
) -> None:
    """Law: Either check of an answer ends with a verdict in its own place."""
    run = answered_run(page.workspace)
    session.run = replace(run, picture=replace(run.picture, made={**run.picture.made, "steps": 1}))
    panel = page.answer.counterfactual
    events = CounterfactualEvents(page, checks(panel)[which])
    events.begin("pixel", 2.0, request_of)
    *_, last, kept = events.run("pixel", 2.0, request_of)
    assert 'data-final="true"' in last[(panel.top_result, panel.itself_result)[which]]
    assert [proof.kind for proof in session.run.proofs] == [("top", "itself")[which]]
    assert "Done" in last[panel.status]
    assert "this run is not kept here" in kept[panel.status]  # it was never on this page


def test_what_was_proven_is_kept_with_the_run_and_in_its_report(
    page: PageContext, session: Session, request_of: Any
) -> None:
    """Law: A test of an answer is in its link and in its report from then on."""
    run = answered_run(page.workspace)
    run = replace(run, picture=replace(run.picture, made={**run.picture.made, "steps": 1}))
    session.run = run
    page.archive.keep(run)
    panel = page.answer.counterfactual
    events = CounterfactualEvents(page, checks(panel)[0])
    events.begin("pixel", 2.0, request_of)
    *_, kept = events.run("pixel", 2.0, request_of)
    report = Path(kept[page.answer.downloads.report]["value"]).read_text(encoding="utf-8")
    assert "Put to the test" in report
    assert report.count('data-final="true"') == 1
    session.show(Picture(GREY, "another"))
    *_, back = HistoryEvents(page).restore(event(id=run.id), request_of)
    assert 'data-final="true"' in back[panel.top_result]
    assert back[panel.itself_result] == ""

"""Asking where the picture came from: the question, and the run."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from app.events.context import PageContext, sentence
from app.events.history import archive_answer
from app.events.listeners import AT_ONCE, ON_THE_MODEL
from app.panels.updates import Updates
from app.runs.boxes import box_of_sides, with_box
from app.runs.question import checked_run, measures
from app.runs.run import MAX_PARTS, Run
from app.runs.selection import PARTS
from app.runtime.queue import QueuePlace
from app.runtime.sessions import Session
from app.views import status
from attribution.engine import attribute
from attribution.errors import Cancelled, InputError
from attribution.methods.base import method
from attribution.results import Progress, Ranking


@dataclass(frozen=True)
class AttributeEvents:
    """The handlers of the buttons Attribute and Stop."""

    page: PageContext

    def begin(
        self, chosen: list[str], effort: str, caption: str | None,
        left: Any, top: Any, right: Any, bottom: Any, request: gr.Request,
    ) -> Updates:  # fmt: skip
        """Check the question, and show the places of its answers."""
        session, sides = self.page.session(request), (left, top, right, bottom)
        try:
            typed = box_of_sides(sides)  # what is half typed is said, not ignored
            boxes = session.boxes
            if typed is not None and sides not in session.sides:  # a field that has not been left yet
                boxes = with_box(boxes, min(session.active, MAX_PARTS - 1), typed)
            model = self.page.workspace.fingerprints.get("model", "")
            run = checked_run(session.picture, boxes, chosen, effort, caption, model)
        except InputError as problem:
            return self.page.refused(session, sentence(str(problem)))
        session.begin()
        marked = {}
        if boxes != session.boxes:
            session.boxes, session.typed = boxes, sides
            marked = self.page.marked(session)
        session.run = session.waiting = run
        session.stale, session.caption = False, None if run.picture.caption else run.caption
        session.selection = session.selection.for_new_run(run)
        session.left_out = tuple(name for name in chosen if name not in run.methods)
        return {
            **marked,
            **self.page.at_work(status.running("Waiting for the model")),
            **self.page.answer.nothing_yet(session.kept),
            **self.page.settling(session, run),
        }

    def begin_example(self, chosen: list[str], effort: str, request: gr.Request) -> Updates:
        """The picture of an example is there: its question is asked."""
        session = self.page.session(request)
        asks, session.ask_now = session.ask_now, False
        if not asks:
            return self.page.unchanged()
        return self.begin(chosen, effort, "", None, None, None, None, request)

    def run(self, request: gr.Request) -> Iterator[Updates]:
        """Answer the question that waits."""
        session = self.page.session(request)
        run, session.waiting = session.waiting, None
        if run is None:
            yield self.page.unchanged()
        else:
            yield from attribution_updates(self.page, session, run)

    def stop(self, request: gr.Request) -> Updates:
        """Stop whatever runs for this page."""
        session = self.page.session(request)
        session.stop.set()
        session.generation = session.waiting = None
        session.ask_now, session.at_rest = False, True
        return stopped(self.page, session)


def connect_attributing(page: PageContext, picked: Any) -> None:
    """Wire the question. `picked`: the event that an example's picture is there."""
    ask, outputs, events = page.ask, page.outputs(), AttributeEvents(page)
    question = [ask.methods, ask.effort, page.source.caption, *page.stage.sides]
    begun = page.action.attribute.click(events.begin, question, outputs, **AT_ONCE)
    begun.then(events.run, None, outputs, **ON_THE_MODEL)
    begun = picked.then(events.begin_example, [ask.methods, ask.effort], outputs, **AT_ONCE)
    begun.then(events.run, None, outputs, **ON_THE_MODEL)


def connect_stop(page: PageContext) -> None:
    """Wire the button Stop."""
    # Nothing is cancelled from outside: a run that is under way ends itself at its next step and says so
    # last. What a cancelled stream had on its way could otherwise come after this.
    page.action.stop.click(AttributeEvents(page).stop, None, page.outputs(), **AT_ONCE)


def attribution_updates(page: PageContext, session: Session, run: Run) -> Iterator[Updates]:
    """The updates of one run, from the wait for the model to the answer."""
    stop, progress = session.begin(), status.ProgressLine()
    session.working, session.at_rest = stop, False
    try:
        with page.queue.join(f"{run.settings.effort} x {len(run.parts)}", session.address) as place:
            yield from page.wait_for_model(place, stop, "attribute")
            for number in range(len(run.parts)):
                run = yield from _part_updates(page, session, run, number, place, stop, progress)
        session.at_rest = True
        if len(run.parts) > 1:  # they were asked about together, so they are seen together
            session.selection = replace(session.selection, beside=PARTS, part=0)
        yield {**page.at_rest(status.done(summary(run, session.left_out))), **page.whole(session, run)}
        kept = archive_answer(page, session, run)
        yield kept if session.shows(run) else page.unchanged()
    except Cancelled:
        yield _ended(page, session, run, stop, {})
    except Exception as problem:  # the page's edge: told in words
        yield _ended(page, session, run, stop, page.failed(problem))
    finally:
        session.finish(stop)


def _part_updates(
    page: PageContext, session: Session, run: Run, number: int,
    place: QueuePlace, stop: threading.Event, progress: status.ProgressLine,
) -> Generator[Updates, None, Run]:  # fmt: skip
    """Yield the updates of one part's answer; returns the run that has it."""
    part, prefix = run.parts[number], ""
    if len(run.parts) > 1:
        prefix = f"Part {part.label} of {len(run.parts)} · "
        session.selection = replace(session.selection, part=number)
    events = attribute(page.workspace, part.query, run.methods, run.settings, stop)
    for event in page.worker.steps(events):
        if session.working is not stop:  # whatever this step has found comes too late
            raise Cancelled("overtaken")
        if isinstance(event, Progress):
            title = method(event.method).title if event.method else ""
            line = progress.line(event, f"{prefix}{title}")
            if line is not None:
                place.turn(0)
                yield {page.action.status: line}
        elif isinstance(event, Ranking):
            so_far = {**run.parts[number].rankings, event.method: event}
            run = session.run = run.with_part(number, rankings=so_far)
            yield page.settling(session, run)
        else:
            run = run.with_part(number, rankings=dict(event.rankings), attribution=event)
            session.run = run
    return run


def _ended(
    page: PageContext, session: Session, run: Run, stop: threading.Event, failed: Updates
) -> Updates:
    """A run has ended before it was answered; of what was begun since, nothing changes."""
    if session.working is stop:
        return {**stopped(page, session), **failed}
    return {**page.unchanged(), **(_measured(page, session, run) if session.shows(run) else {})}


def stopped(page: PageContext, session: Session) -> Updates:
    """Whatever was measured stays."""
    run, line = session.run, status.idle("Stopped.")
    if run is None or run.answered:
        return page.at_rest(line)
    if any(part.rankings for part in run.parts):
        line = status.idle("Stopped. What was measured is shown; it is not kept, and has no link.")
    return {**page.at_rest(line), **_measured(page, session, run)}


def _measured(page: PageContext, session: Session, run: Run) -> Updates:
    """What there is of an answer that will not be whole."""
    if any(part.rankings for part in run.parts):
        return page.whole(session, run)
    return page.answer.empty(page.mosaic, session.kept)


def summary(run: Run, left_out: Sequence[str] = ()) -> str:
    """How long it took, and how far the methods looked that measure; `left_out` were chosen, not asked."""
    rankings = [ranking for part in run.parts for ranking in part.rankings.values()]
    seconds = sum(ranking.seconds for ranking in rankings)
    measured = {r.title: r for r in rankings if measures(method(r.method))}
    far = "; ".join(f"{title} measured {ranking.candidates}" for title, ranking in measured.items())
    parts = f" for {len(run.parts)} parts" if len(run.parts) > 1 else ""
    answers = [part.attribution for part in run.parts if part.attribution is not None]
    failed = dict.fromkeys(method(name).title for answer in answers for name in answer.problems)
    without = f" No answer from {', '.join(failed)}." if failed else ""
    titles = " and ".join(method(name).title for name in left_out)
    unasked = f" Instant measures nothing, so {titles} was not asked: choose Refined." if titles else ""
    done = f"Done in {seconds:.1f} s{parts}."
    return f"{done} {far or 'Nothing was measured: it was all looked up'}.{without}{unasked}"

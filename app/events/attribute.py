"""Asking where the picture came from: the box, the question, and the run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from app.events.context import Desk, View, sentence
from app.events.generate import ON_THE_MODEL, QUIET, READY, waited
from app.events.history import kept
from app.panels.stage import box_of
from app.runs.run import MAX_PARTS, Run, parts_of
from app.runs.selection import PARTS, Shown
from app.runtime.sessions import Session
from app.views import status
from attribution.engine import attribute
from attribution.errors import (
    BoxError,
    Cancelled,
    CaptionError,
    InputError,
    SettingsError,
)
from attribution.methods.base import Cost, method, methods
from attribution.query import Settings
from attribution.results import Progress, Ranking


def connect_box(desk: Desk) -> None:
    """Boxes drawn, typed, chosen or taken away."""
    stage = desk.stage
    shown = [stage.view, stage.parts, stage.clear, stage.save, *stage.sides, desk.action.status]

    def marked(session: Session) -> View:
        view = desk.marked(session)
        if session.box_refused:  # the complaint is mended
            session.box_refused = False
            view[desk.action.status] = status.idle(READY)
        return view

    def place(sides: Sequence[Any], number: Any, session: Session) -> View:
        if session.picture is None:
            return desk.unchanged()
        try:
            box = box_of(sides)
        except BoxError as problem:
            session.box_refused = True
            return {desk.action.status: status.failed(sentence(str(problem)))}
        if not isinstance(number, int) or not 0 <= number <= len(session.boxes) or number >= MAX_PARTS:
            number = min(session.active, MAX_PARTS - 1)
        kept = [] if box is None else [box]
        session.boxes = (*session.boxes[:number], *kept, *session.boxes[number + 1 :])
        session.active = number if box is not None else max(0, min(number, len(session.boxes) - 1))
        return marked(session)

    def draw(event: gr.EventData, request: gr.Request) -> View:
        drawn = event._data.get("box")
        sides = drawn if isinstance(drawn, list) else (None,) * 4
        return place(sides, event._data.get("index"), desk.sessions.of(request.session_hash))

    def typed(left: Any, top: Any, right: Any, bottom: Any, request: gr.Request) -> View:
        if any(side is None for side in (left, top, right, bottom)):
            return desk.unchanged()  # still typing
        session = desk.sessions.of(request.session_hash)
        view = place((left, top, right, bottom), session.active, session)
        # The fields themselves are left alone: the person may be typing in the next one by now.
        return {component: shown for component, shown in view.items() if component not in stage.sides}

    def choose(event: gr.EventData, request: gr.Request) -> View:
        session, number = desk.sessions.of(request.session_hash), event._data.get("index")
        if session.picture is None or not isinstance(number, int) or not 0 <= number < len(session.boxes):
            return desk.unchanged()
        session.active = number
        return marked(session)

    def remove(event: gr.EventData, request: gr.Request) -> View:
        session, number = desk.sessions.of(request.session_hash), event._data.get("index")
        if not isinstance(number, int) or not 0 <= number < len(session.boxes):
            return desk.unchanged()
        return place((None,) * 4, number, session)

    def add(request: gr.Request) -> View:
        """The next box that is drawn is another one; pressed again, it is not."""
        session = desk.sessions.of(request.session_hash)
        if session.picture is None or not session.boxes or len(session.boxes) >= MAX_PARTS:
            return desk.unchanged()
        adding = session.active >= len(session.boxes)
        session.active = 0 if adding else len(session.boxes)
        return marked(session)

    def clear(request: gr.Request) -> View:
        session = desk.sessions.of(request.session_hash)
        session.boxes, session.active = (), 0
        return desk.unchanged() if session.picture is None else marked(session)

    quick: dict[str, Any] = {"queue": False, **QUIET}
    stage.view.box(draw, None, shown, trigger_mode="always_last", **quick)
    stage.clear.click(clear, None, shown, **quick)
    stage.parts.remove(remove, None, shown, **quick)
    stage.parts.another(add, None, shown, **quick)
    stage.parts.choose(choose, None, shown, **quick)
    stage.view.choose(choose, None, shown, **quick)
    gr.on(
        [event for side in stage.sides for event in (side.submit, side.blur)],
        typed, list(stage.sides), shown, trigger_mode="always_last", **quick,
    )  # fmt: skip


def connect_attributing(desk: Desk, picked: Any) -> None:
    """Wire the question. `picked`: the event that an example's picture is there."""
    ask, outputs = desk.ask, desk.outputs()

    def begin(
        chosen: list[str], effort: str, caption: str | None,
        left: Any, top: Any, right: Any, bottom: Any, request: gr.Request,
    ) -> View:  # fmt: skip
        session = desk.sessions.of(request.session_hash)
        session.run = session.waiting = None
        try:
            box_of((left, top, right, bottom))  # what is half typed is said, not ignored
            session.run = session.waiting = asked(session, chosen, effort, caption)
        except InputError as problem:
            return desk.at_rest(status.failed(sentence(str(problem))))
        session.view = first_view(session.run, session.view)
        return {
            **desk.at_work(status.running("Waiting for the model")),
            **desk.answer.nothing_yet(),
            **desk.answer.settling(session.run, session.view, desk.earlier(session)),
        }

    def run(request: gr.Request) -> Iterator[View]:
        session = desk.sessions.of(request.session_hash)
        asked_for, session.waiting = session.waiting, None
        if asked_for is None:
            yield desk.unchanged()
        else:
            yield from attributing(desk, session, asked_for)

    def begin_example(chosen: list[str], effort: str, request: gr.Request) -> View:
        session = desk.sessions.of(request.session_hash)
        asks, session.ask_next = session.ask_next, False
        if not asks:
            return desk.unchanged()
        return begin(chosen, effort, "", None, None, None, None, request)

    asked_of = [ask.methods, ask.effort, desk.source.caption, *desk.stage.sides]
    desk.action.attribute.click(begin, asked_of, outputs, queue=False, **QUIET).then(
        run, None, outputs, **ON_THE_MODEL
    )
    picked.then(begin_example, [ask.methods, ask.effort], outputs, queue=False, **QUIET).then(
        run, None, outputs, **ON_THE_MODEL
    )


def connect_stop(desk: Desk) -> None:
    def stop(request: gr.Request) -> View:
        session = desk.sessions.of(request.session_hash)
        session.stop.set()
        session.generation = session.waiting = None
        session.ask_next = False
        session.at_rest = True
        return stopped(desk, session)

    # Nothing is cancelled from outside: a run that is under way ends itself at its next step and says so
    # last. What a cancelled stream had on its way could otherwise come after this.
    desk.action.stop.click(stop, None, desk.outputs(), queue=False, **QUIET)


def asked(session: Session, chosen: Sequence[str], effort: str, caption: str | None) -> Run:
    """The question as the page puts it, checked.

    Raises:
        InputError: something is missing or makes no sense; says what to do.
    """
    if session.picture is None:
        raise SettingsError("make or bring a picture first")
    if not chosen:
        raise SettingsError("choose at least one method")
    caption = session.picture.caption or (caption or "").strip()
    if not caption:
        raise CaptionError("the picture needs its caption: write it under Upload, beside the picture")
    names = tuple(
        name
        for name, each in methods().items()
        if name in chosen and not (effort == "instant" and each.cost is Cost.PER_EXAMPLE)
    )
    if not names:
        raise SettingsError(
            "instant measures nothing: choose first order, CLIP, DINO or pixels, or more effort"
        )
    parts = parts_of(session.picture.image, caption, session.boxes)
    return Run(session.picture, caption, names, Settings(effort=effort), parts)


def first_view(run: Run, before: Shown) -> Shown:
    """Methods side by side, of the first part; under the method looked at before, if it is asked again."""
    return Shown(method=before.method if before.method in run.methods else "", earlier=before.earlier)


def attributing(desk: Desk, session: Session, run: Run) -> Iterator[View]:
    """The views of one run, from the wait for the model to the answer."""
    stop, pace = session.begin(), status.Pace()
    session.at_rest = False
    try:
        with desk.line.join(f"{run.settings.effort} x {len(run.parts)}") as place:
            yield from waited(desk, place, stop, "attribute")
            for number, part in enumerate(run.parts):
                told = f"Part {part.label} of {len(run.parts)} · " if len(run.parts) > 1 else ""
                if told:
                    session.view = replace(session.view, part=number)
                events = attribute(desk.workspace, part.query, run.methods, run.settings, stop)
                for event in desk.worker.steps(events):
                    if isinstance(event, Progress):
                        title = method(event.method).title if event.method else ""
                        line = pace.line(event, f"{told}{title}")
                        if line is not None:
                            place.turn(0)
                            yield {desk.action.status: line}
                    elif isinstance(event, Ranking):
                        so_far = {**run.parts[number].rankings, event.method: event}
                        run = session.run = run.with_part(number, rankings=so_far)
                        yield desk.answer.settling(run, session.view, desk.earlier(session))
                    else:
                        done = dict(event.rankings)
                        run = session.run = run.with_part(number, rankings=done, attribution=event)
        session.at_rest = True
        if len(run.parts) > 1:  # they were asked about together, so they are seen together
            session.view = replace(session.view, beside=PARTS, part=0)
        yield answered(desk, session, run)
        yield kept(desk, run)
    except Cancelled:
        yield stopped(desk, session)
    except Exception as problem:  # the page's edge: told in words
        yield {**stopped(desk, session), **desk.failed(problem)}
    finally:
        session.at_rest = True


def answered(desk: Desk, session: Session, run: Run) -> View:
    return {
        **desk.at_rest(status.done(summary(run))),
        **desk.answer.whole(desk.workspace, run, session.view, desk.earlier(session)),
    }


def stopped(desk: Desk, session: Session) -> View:
    """Whatever was measured stays."""
    view = desk.at_rest(status.idle("Stopped."))
    if session.run is None:
        return view
    if not any(part.rankings for part in session.run.parts):
        return {**view, **desk.answer.empty(desk.mosaic)}
    view[desk.action.status] = status.idle("Stopped. What was measured is shown.")
    return {**view, **desk.answer.whole(desk.workspace, session.run, session.view, desk.earlier(session))}


def summary(run: Run) -> str:
    """How long it took, and how far the methods looked that measure."""
    rankings = [ranking for part in run.parts for ranking in part.rankings.values()]
    seconds = sum(ranking.seconds for ranking in rankings)
    measured = {r.title: r for r in rankings if method(r.method).cost is Cost.PER_EXAMPLE}
    far = "; ".join(f"{title} measured {ranking.candidates}" for title, ranking in measured.items())
    parts = f" for {len(run.parts)} parts" if len(run.parts) > 1 else ""
    return f"Done in {seconds:.1f} s{parts}. {far or 'Nothing was measured: it was all looked up'}."

"""Asking where the picture came from: the box, the question, the run, and a closer look."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gradio as gr

from app import status
from app.board import board, empty_board
from app.desk import Desk, View, sentence
from app.detail import detail
from app.export import write_csv, write_json
from app.generating import ON_THE_MODEL, QUIET, READY
from app.heat import overlaid
from app.pictures import data_uri
from app.plot import score_plot
from app.sessions import Request, Session
from app.stage import box_of
from attribution.engine import attribute
from attribution.errors import (
    BoxError,
    Cancelled,
    CaptionError,
    InputError,
    SettingsError,
    TrainingSetError,
)
from attribution.images import prepared
from attribution.query import Query, Settings
from attribution.registry import Locating, method, methods
from attribution.results import Attribution, Progress, Ranking

MAP_SIDE = 360  # pixels on the screen


def connect_box(desk: Desk) -> None:
    """A box drawn, typed or taken away."""
    stage = desk.stage
    shown = [stage.view, stage.crop, stage.clear, *stage.sides, desk.action.status]

    def place(sides: Sequence[Any], session: Session) -> View:
        if session.picture is None:
            return desk.unchanged()
        try:
            view = desk.boxed(session.picture, box_of(sides))
        except BoxError as problem:
            session.box_refused = True
            return {desk.action.status: status.failed(sentence(str(problem)))}
        if session.box_refused:  # the complaint is mended
            session.box_refused = False
            view[desk.action.status] = status.idle(READY)
        return view

    def draw(event: gr.EventData, request: gr.Request) -> View:
        drawn = event._data.get("box")
        return place(
            drawn if isinstance(drawn, list) else (None,) * 4, desk.sessions.of(request.session_hash)
        )

    def typed(left: Any, top: Any, right: Any, bottom: Any, request: gr.Request) -> View:
        if any(side is None for side in (left, top, right, bottom)):
            return desk.unchanged()  # still typing
        view = place((left, top, right, bottom), desk.sessions.of(request.session_hash))
        # The fields themselves are left alone: the person may be typing in the next one by now.
        return {component: shown for component, shown in view.items() if component not in stage.sides}

    def clear(request: gr.Request) -> View:
        return place((None,) * 4, desk.sessions.of(request.session_hash))

    stage.view.box(draw, None, shown, queue=False, trigger_mode="always_last", **QUIET)
    stage.clear.click(clear, None, shown, queue=False, **QUIET)
    gr.on(
        [event for side in stage.sides for event in (side.submit, side.blur)],
        typed, list(stage.sides), shown, queue=False, trigger_mode="always_last", **QUIET,
    )  # fmt: skip


def connect_attributing(desk: Desk) -> None:
    """Wire the question."""
    ask, outputs = desk.ask, desk.outputs()

    def begin(
        chosen: list[str], effort: str, caption: str,
        left: Any, top: Any, right: Any, bottom: Any, request: gr.Request,
    ) -> View:  # fmt: skip
        session = desk.sessions.of(request.session_hash)
        session.request = session.waiting = None
        try:
            session.request = session.waiting = asked(
                session, chosen, effort, caption, (left, top, right, bottom)
            )
        except InputError as problem:
            return desk.at_rest(status.failed(sentence(str(problem))))
        session.rankings, session.attribution = {}, None
        return {
            **desk.at_work(status.running("Waiting for the model")),
            desk.answer.board: shown_board(session.request, {}, waiting=True),
            desk.answer.plot: None,
            desk.answer.json: gr.update(value=None, interactive=False),
            desk.answer.csv: gr.update(value=None, interactive=False),
        }

    def run(request: gr.Request) -> Iterator[View]:
        session = desk.sessions.of(request.session_hash)
        asked_for, session.waiting = session.waiting, None
        if asked_for is None:
            yield desk.unchanged()
        else:
            yield from attributing(desk, session, asked_for)

    desk.action.attribute.click(
        begin,
        [ask.methods, ask.effort, desk.source.caption, *desk.stage.sides],
        outputs,
        queue=False,
        **QUIET,
    ).then(run, None, outputs, **ON_THE_MODEL)


def connect_stop(desk: Desk) -> None:
    def stop(request: gr.Request) -> View:
        session = desk.sessions.of(request.session_hash)
        session.stop.set()
        session.generation = session.waiting = None
        return stopped(desk, session)

    # Nothing is cancelled from outside: a run that is under way ends itself at its next step and says so
    # last. What a cancelled stream had on its way could otherwise come after this.
    desk.action.stop.click(stop, None, desk.outputs(), queue=False, **QUIET)


def connect_detail(desk: Desk) -> None:
    count = itertools.count(1)

    def look(event: gr.EventData, request: gr.Request) -> Any:
        try:
            row = desk.workspace.training_set.row_of(str(event._data.get("id")))
        except TrainingSetError:
            return gr.skip()
        example = desk.workspace.training_set.examples[row]
        session = desk.sessions.of(request.session_hash)
        session.looked_at = row
        # `shown` differs each time, so that the same image can be opened twice running.
        return {"html": detail(example, session.rankings), "id": example.id, "shown": next(count)}

    def look_closer(request: gr.Request) -> Any:
        """The same again with the map, which takes a moment; ignored if the person has moved on."""
        session = desk.sessions.of(request.session_hash)
        row = session.looked_at
        maps = where_forgotten(desk, session, row) if row is not None else {}
        if not maps or session.looked_at != row or row is None:
            return gr.skip()
        example = desk.workspace.training_set.examples[row]
        shown = detail(example, session.rankings, maps)
        return {"html": shown, "id": example.id, "shown": next(count), "closer": True}

    opened = desk.answer.board.open(look, None, desk.answer.detail, queue=False, **QUIET)
    opened.then(look_closer, None, desk.answer.detail, **QUIET)


def where_forgotten(desk: Desk, session: Session, row: int) -> dict[str, str]:
    """The training image with the map of each method that has one, by the method's title."""
    maps: dict[str, str] = {}
    if session.request is None:
        return maps
    picture = prepared(desk.workspace.training_set.image(row), desk.workspace.resolution)
    for name in session.rankings:
        each = method(name)
        if isinstance(each, Locating):
            query, settings = session.request.query, session.request.settings
            rises = each.where_forgotten(desk.workspace, query, settings, row)
            if rises is not None:
                maps[each.title] = data_uri(overlaid(picture, rises), MAP_SIDE)
    return maps


def asked(
    session: Session, chosen: Sequence[str], effort: str, caption: str, sides: Sequence[Any]
) -> Request:
    """The question as the page puts it, checked.

    Raises:
        InputError: something is missing or makes no sense; says what to do.
    """
    if session.picture is None:
        raise SettingsError("make or bring a picture first")
    if not chosen:
        raise SettingsError("choose at least one method")
    caption = session.picture.caption or caption.strip()
    if not caption:
        raise CaptionError("the picture needs its caption: write it under Upload, beside the picture")
    query = Query(session.picture.image, caption, box_of(sides))
    names = tuple(
        name
        for name, each in methods().items()
        if name in chosen and not (effort == "instant" and each.slow)
    )
    if not names:
        raise SettingsError(
            "instant measures nothing: choose first order, CLIP, DINO or pixels, or more effort"
        )
    return Request(query, names, Settings(effort=effort))


def attributing(desk: Desk, session: Session, request: Request) -> Iterator[View]:
    """The views of one run, from the wait for the model to the answer."""
    stop, pace = session.begin(), status.Pace()
    try:
        for _ in desk.warm.waiting():
            if stop.is_set():
                raise Cancelled("stopped")
            yield {desk.action.status: status.running("Opening the model")}
        for event in attribute(desk.workspace, request.query, request.methods, request.settings, stop):
            if isinstance(event, Progress):
                line = pace.line(event, method(event.method).title if event.method else "")
                if line is not None:
                    yield {desk.action.status: line}
            elif isinstance(event, Ranking):
                session.rankings = {**session.rankings, event.method: event}
                yield {desk.answer.board: shown_board(request, session.rankings, waiting=True)}
            else:
                session.rankings, session.attribution = dict(event.rankings), event
                yield answered(desk, request, event)
    except Cancelled:
        yield stopped(desk, session)
    except Exception as problem:  # the page's edge: told in words
        yield {**stopped(desk, session), **desk.failed(problem)}


def answered(desk: Desk, request: Request, attribution: Attribution) -> View:
    return {
        **desk.at_rest(status.done(summary(attribution.rankings))),
        desk.answer.board: shown_board(request, attribution.rankings, attribution.warnings),
        desk.answer.plot: score_plot(attribution.rankings),
        desk.answer.json: gr.update(value=str(write_json(attribution)), interactive=True),
        desk.answer.csv: gr.update(value=str(write_csv(attribution)), interactive=True),
    }


def stopped(desk: Desk, session: Session) -> View:
    """Whatever was measured stays."""
    view = desk.at_rest(status.idle("Stopped."))
    if session.request is None:
        return view
    if session.rankings:
        view[desk.action.status] = status.idle("Stopped. What was measured is shown.")
    if not session.rankings:
        return {**view, desk.answer.board: empty_board(desk.mosaic)}
    return {**view, desk.answer.board: shown_board(session.request, session.rankings)}


def shown_board(
    request: Request, rankings: Mapping[str, Ranking], warnings: Sequence[str] = (), waiting: bool = False
) -> str:
    return board([method(name) for name in request.methods], rankings, warnings, waiting)


def summary(rankings: Mapping[str, Ranking]) -> str:
    """How long it took, and how far the methods looked that measure."""
    seconds = sum(ranking.seconds for ranking in rankings.values())
    measured = [ranking for ranking in rankings.values() if method(ranking.method).slow]
    far = "; ".join(f"{ranking.title} measured {ranking.candidates}" for ranking in measured)
    return f"Done in {seconds:.1f} s. {far or 'Nothing was measured: it was all looked up'}."

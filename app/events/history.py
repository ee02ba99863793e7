"""Keeping runs, and showing them again: from the list of the browser, or by a link."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import gradio as gr

from app.events.context import Desk, View
from app.events.generate import QUIET
from app.panels.history import LISTED, past_runs, told, when
from app.panels.source import restored_fields
from app.runs.record import boxes_of
from app.runs.run import Run
from app.runs.selection import METHODS, PARTS, Shown
from app.views import status
from app.views.report import write_report
from attribution.errors import RunError

log = logging.getLogger("whence")


def kept(desk: Desk, run: Run) -> View:
    """Keep an answered run; the address becomes its link, and the browser's list has one more."""
    try:
        key = desk.runs.keep(run)
        return {**filed(desk, run), desk.answer.history: told("kept", id=run.id, key=key)}
    except RunError as problem:  # the answer itself stands
        log.error("a run was not kept: %s", problem)
        line = status.failed(f"Answered, but {problem}. It has no link.")
        return {**filed(desk, run), desk.action.status: line}


def filed(desk: Desk, run: Run) -> View:
    """The report, ready to be taken away."""
    report = str(write_report(run, desk.workspace))
    return {desk.answer.report: gr.update(value=report, interactive=True)}


def connect_history(desk: Desk) -> None:
    """Wire the list and the links."""
    history, outputs = desk.answer.history, [*desk.outputs(), *restored_outputs(desk)]

    def look(event: gr.EventData) -> View:
        ids = event._data.get("ids")
        return {history: told("list", html=past_runs(desk.runs, ids if isinstance(ids, list) else []))}

    def forget(event: gr.EventData) -> View:
        pairs, ids = event._data.get("runs"), event._data.get("ids")
        for pair in pairs[:LISTED] if isinstance(pairs, list) else []:
            if isinstance(pair, dict):
                desk.runs.forget(pair.get("id"), pair.get("key"))
        return {history: told("list", html=past_runs(desk.runs, ids if isinstance(ids, list) else []))}

    def restore(event: gr.EventData, request: gr.Request) -> Iterator[View]:
        yield from shown_again(desk, request, event._data.get("id"))

    history.look(look, None, history, queue=False, **QUIET)
    history.forget(forget, None, history, queue=False, **QUIET)
    history.restore(restore, None, outputs, **QUIET)


def shown_again(desk: Desk, request: gr.Request, run_id: object) -> Iterator[View]:
    """The views of a kept run, from the wait for the model to everything as it was."""
    try:
        run = desk.runs.read(run_id)
        for _ in desk.warm.waiting():  # it draws the boxes on the model's cells
            yield {desk.action.status: status.running("Opening the model")}
    except Exception as problem:  # the page's edge: told in words
        yield {**desk.failed(problem), desk.answer.history: told("away")}
        return
    session = desk.sessions.of(request.session_hash)
    session.begin()
    session.generation, session.ask_next, session.at_rest = None, False, True
    session.show(run.picture, boxes_of(run))
    session.run = run
    session.view = Shown(beside=PARTS if len(run.parts) > 1 else METHODS)
    line = f"As it was answered on {when(run.begun)}; nothing was computed again."
    yield {
        **desk.new_picture(session, status.done(line)),
        **restored(desk, run),
        **desk.answer.whole(desk.workspace, run, session.view, {}),
        **filed(desk, run),
        desk.answer.history: told("shown", id=run.id),
    }


def restored_outputs(desk: Desk) -> list[Any]:
    """Every component that `restored` speaks of."""
    source = desk.source
    made_of = [source.prompt, source.seed, source.steps, source.guidance, source.negative]
    return [source.caption, *made_of, desk.ask.methods, desk.ask.effort]


def restored(desk: Desk, run: Run) -> View:
    """The fields as they were when the run was asked."""
    return {
        **restored_fields(desk.source, run.picture.made),
        desk.source.caption: run.caption,
        desk.ask.methods: list(run.methods),
        desk.ask.effort: run.settings.effort,
    }

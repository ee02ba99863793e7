"""A closer look at one training image: opening it, what is like it, and asking about it in turn."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.events.context import Desk, View
from app.events.generate import QUIET, READY
from app.panels.comparison import answered
from app.runs.run import Picture
from app.runs.selection import METHODS, Strip, strips
from app.runtime.sessions import Session
from app.views import status
from app.views.training_image import Closer, Neighbour, detail
from attribution.analysis.loss_map import Forgotten
from attribution.analysis.near_duplicates import most_alike
from attribution.data.preprocessing import prepared
from attribution.errors import TrainingSetError
from attribution.gradients.query_context import QueryContext
from attribution.methods.base import Locating, methods
from attribution.methods.likeness import Likeness

LIKE_IT = 6  # neighbours in each embedding


def connect_inspecting(desk: Desk) -> None:
    """Wire the dialog, and everything that opens it."""
    opened = desk.answer.detail

    def shown(session: Session, closer: Closer, later: bool) -> dict[str, Any]:
        """What detail.js is given."""
        assert session.looked_at is not None
        row, at = session.looked_at
        example = desk.workspace.training_set.examples[row]
        of = "Method" if session.view.beside == METHODS else "Part"
        words = detail(example, rankings_shown(desk, session), closer, likeness(desk, row), of)
        return {"html": words, "id": example.id, "at": at, "closer": later}

    def row_of(event: gr.EventData) -> int | None:
        try:
            return desk.workspace.training_set.row_of(str(event._data.get("id")))
        except TrainingSetError:
            return None

    def look(event: gr.EventData, request: gr.Request) -> Any:
        session, row = desk.sessions.of(request.session_hash), row_of(event)
        at = float(event._data.get("at") or 0)
        if row is None or (session.looked_at is not None and at < session.looked_at[1]):
            return gr.skip()  # what was asked for later has overtaken it
        session.looked_at = row, at
        return shown(session, Closer(waiting=bool(locating(session))), False)

    def look_closer(request: gr.Request) -> Any:
        """The same again with how it was forgotten, which takes a moment."""
        session = desk.sessions.of(request.session_hash)
        looked_at = session.looked_at
        if looked_at is None or not locating(session):
            return gr.skip()
        row, _ = looked_at
        picture = prepared(desk.workspace.training_set.image(row), desk.workspace.resolution)
        closer = Closer(picture, desk.worker.do(how_forgotten, desk, session, row))
        if session.looked_at != looked_at:  # the person has moved on
            return gr.skip()
        return shown(session, closer, True)

    def use(event: gr.EventData, request: gr.Request) -> View:
        """The training image becomes the picture on the page."""
        session, row = desk.sessions.of(request.session_hash), row_of(event)
        if row is None:
            return desk.unchanged()
        try:
            desk.warm.wait()
            session.begin()
            example = desk.workspace.training_set.examples[row]
            image = prepared(desk.workspace.training_set.image(row), desk.workspace.resolution)
            session.show(Picture(image, example.caption))
            line = status.idle(f"This is training image {example.id}. {READY}")
            return desk.new_picture(session, line)
        except Exception as problem:  # the page's edge: told in words
            return desk.failed(problem)

    for view in (desk.answer.board, desk.answer.compare.click, opened):
        # "multiple": a key that is pressed while an answer is on its way counts too.
        view.open(look, None, opened, queue=False, trigger_mode="multiple", **QUIET).then(
            look_closer, None, opened, **QUIET
        )
    opened.use(use, None, desk.outputs(), queue=False, **QUIET)


def likeness(desk: Desk, row: int) -> dict[str, tuple[Neighbour, ...]]:
    """The training images nearest to one, in each embedding of pictures that the workspace has."""
    examples, found = desk.workspace.training_set.examples, {}
    for each in methods().values():
        if not isinstance(each, Likeness) or each.captions or not desk.workspace.has(each.artifact):
            continue
        near = most_alike(desk.workspace, each.artifact, row, LIKE_IT)
        found[each.title] = tuple(Neighbour(examples[alike.row], alike) for alike in near)
    return found


def locating(session: Session) -> list[tuple[Strip, Locating]]:
    """The rankings of this run on the page whose method can say how an image was forgotten."""
    if session.run is None:
        return []
    own = answered(strips(session.run, session.view))
    return [(strip, strip.method) for strip, _ in own if isinstance(strip.method, Locating)]


def how_forgotten(desk: Desk, session: Session, row: int) -> dict[str, Forgotten]:
    """By the name of each ranking whose method remembers this question still."""
    if session.run is None:
        return {}
    settings = session.run.settings
    found = {
        strip.title: each.how_forgotten(QueryContext(desk.workspace, strip.part.query, settings), row)
        for strip, each in locating(session)
    }
    return {title: how for title, how in found.items() if how is not None}


def rankings_shown(desk: Desk, session: Session) -> list[Strip]:
    """What stands side by side on the page."""
    return [] if session.run is None else strips(session.run, session.view, desk.earlier(session))

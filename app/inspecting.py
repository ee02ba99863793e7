"""A closer look at one training image: opening it, what is like it, and asking about it in turn."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import gradio as gr

from app import status
from app.desk import Desk, View
from app.detail import Closer, Neighbour, detail
from app.generating import QUIET, READY
from app.run import Part, Picture
from app.sessions import Session
from attribution.alike import most_alike
from attribution.errors import TrainingSetError
from attribution.forgotten import Forgotten
from attribution.images import prepared
from attribution.registry import Locating, method, methods
from attribution.results import Ranking
from attribution.similarity import Likeness

LIKE_IT = 6  # neighbours in each embedding


def connect_inspecting(desk: Desk) -> None:
    """Wire the dialog, and everything that opens it."""
    count, opened = itertools.count(1), desk.answer.detail

    def shown(session: Session, row: int, closer: Closer, later: bool) -> dict[str, Any]:
        """What detail.js is given. `shown` differs each time, so that one image can be opened twice."""
        example = desk.workspace.training_set.examples[row]
        words = detail(example, rankings_shown(session), closer, likeness(desk, row))
        return {"html": words, "id": example.id, "shown": next(count), "closer": later}

    def row_of(event: gr.EventData) -> int | None:
        try:
            return desk.workspace.training_set.row_of(str(event._data.get("id")))
        except TrainingSetError:
            return None

    def look(event: gr.EventData, request: gr.Request) -> Any:
        session, row = desk.sessions.of(request.session_hash), row_of(event)
        if row is None:
            return gr.skip()
        session.looked_at = row
        return shown(session, row, Closer(waiting=bool(locating(session))), False)

    def look_closer(request: gr.Request) -> Any:
        """The same again with how it was forgotten, which takes a moment."""
        session = desk.sessions.of(request.session_hash)
        row = session.looked_at
        if row is None or not locating(session):
            return gr.skip()
        picture = prepared(desk.workspace.training_set.image(row), desk.workspace.resolution)
        closer = Closer(picture, desk.worker.do(how_forgotten, desk, session, row))
        if session.looked_at != row:  # the person has moved on
            return gr.skip()
        return shown(session, row, closer, True)

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
        if not isinstance(each, Likeness) or each.captions or not desk.workspace.store.has(each.artifact):
            continue
        near = most_alike(desk.workspace, each.artifact, row, LIKE_IT)
        found[each.title] = tuple(Neighbour(examples[alike.row], alike) for alike in near)
    return found


def locating(session: Session) -> dict[str, Locating]:
    """The methods of the shown answer that can say how an image was forgotten, by title."""
    found = {name: method(name) for name in rankings_shown(session)}
    return {each.title: each for each in found.values() if isinstance(each, Locating)}


def how_forgotten(desk: Desk, session: Session, row: int) -> dict[str, Forgotten]:
    """By the title of each method that remembers this question still."""
    if session.run is None:
        return {}
    query, settings = looked_from(session).query, session.run.settings
    found = {
        title: each.how_forgotten(desk.workspace, query, settings, row)
        for title, each in locating(session).items()
    }
    return {title: how for title, how in found.items() if how is not None}


def rankings_shown(session: Session) -> Mapping[str, Ranking]:
    return {} if session.run is None else looked_from(session).rankings


def looked_from(session: Session) -> Part:
    """The part whose answer is shown."""
    assert session.run is not None
    return session.run.parts[min(session.view.part, len(session.run.parts) - 1)]

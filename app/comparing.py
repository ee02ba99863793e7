"""Looking at an answer from several sides: which parts or methods, which pair, by which column."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr

from app.desk import Desk, View
from app.generating import QUIET
from app.sessions import Session
from app.showing import METHODS, PARTS, strips


def connect_comparing(desk: Desk) -> None:
    """Wire the switch above the strips, and the panels that compare and group."""
    answer, compare, groups = desk.answer, desk.answer.compare, desk.answer.groups
    by = [groups.of, groups.column, groups.measure]

    def look(
        beside: str,
        part: str | None,
        chosen: str | None,
        column: str | None,
        measure: str,
        request: gr.Request,
    ) -> View:
        session = desk.sessions.of(request.session_hash)
        if session.run is None:
            return desk.unchanged()
        session.view = replace(
            session.view,
            beside=PARTS if beside == PARTS else METHODS,
            part=int(part) if part is not None and part.isdigit() else 0,
            method=chosen or "",
        )
        if not any(part.rankings for part in session.run.parts):
            return desk.unchanged()
        if session.waiting is not None or not session.at_rest:
            return answer.settling(session.run, session.view, desk.earlier(session))
        return answer.whole(
            desk.workspace, session.run, session.view, desk.earlier(session), column, measure
        )

    def pair(across: str | None, along: str | None, request: gr.Request) -> View:
        session = desk.sessions.of(request.session_hash)
        return desk.unchanged() if session.run is None else answer.ranks(shown(session), across, along)

    def group(of: str | None, column: str | None, measure: str, request: gr.Request) -> View:
        session = desk.sessions.of(request.session_hash)
        if session.run is None:
            return desk.unchanged()
        return answer.by_group(desk.workspace, shown(session), of, column, measure)

    def shown(session: Session) -> list[Any]:
        assert session.run is not None
        return strips(session.run, session.view, desk.earlier(session))

    status = desk.action.status  # what `unchanged` speaks of
    gr.on(
        [answer.beside.input, answer.part.input, answer.method.input],
        look,
        [answer.beside, answer.part, answer.method, groups.column, groups.measure],
        [*answer.outputs(), status],
        queue=False,
        **QUIET,
    )
    gr.on(
        [compare.across.input, compare.along.input],
        pair,
        [compare.across, compare.along],
        [*answer.compared(), status],
        queue=False,
        **QUIET,
    )
    gr.on(
        [groups.of.input, groups.column.input, groups.measure.input],
        group,
        by,
        [*answer.grouped(), status],
        queue=False,
        **QUIET,
    )

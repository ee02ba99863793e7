"""Looking at an answer from several sides: which parts or methods, which pair, by which column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import gradio as gr

from app.events.context import Desk, View
from app.events.generate import QUIET
from app.runs.run import Run
from app.runs.selection import METHODS, PARTS, strips
from app.runtime.sessions import Session

MAX_EARLIER = 3  # runs beside the one on the page


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

    def compare_with(event: gr.EventData, column: str | None, measure: str, request: gr.Request) -> View:
        """An earlier run beside this one; asked for again, it goes."""
        session, run_id = desk.sessions.of(request.session_hash), event._data.get("id")
        if session.run is None or not isinstance(run_id, str) or run_id == session.run.id:
            return desk.unchanged()
        before = session.view.earlier
        earlier = tuple(k for k in before if k != run_id) if run_id in before else (*before, run_id)
        session.view = replace(session.view, beside=PARTS, earlier=earlier[-MAX_EARLIER:])
        found = desk.earlier(session)
        looked_at = shared_method(session.run, session.view.method, found.values())
        session.view = replace(session.view, method=looked_at)
        return answer.whole(desk.workspace, session.run, session.view, found, column, measure)

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

    answer.history.compare(
        compare_with,
        [groups.column, groups.measure],
        [*answer.outputs(), desk.action.status],
        queue=False,
        **QUIET,
    )
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


def shared_method(run: Run, looked_at: str, earlier: Iterable[Run]) -> str:
    """The method that is looked at if the earlier runs have it too, else the first that all have."""
    looked_at = looked_at if looked_at in run.methods else run.methods[0]
    theirs = [each.methods for each in earlier]
    common = [name for name in run.methods if all(name in each for each in theirs)]
    return looked_at if looked_at in common or not common else common[0]

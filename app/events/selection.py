"""Looking at an answer from another side: its methods or parts beside each other, and earlier runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import gradio as gr

from app.events.callers import sent_with
from app.events.context import PageContext
from app.events.listeners import AT_ONCE
from app.panels.history import history_message
from app.panels.updates import Updates, as_chosen
from app.runs.selection import METHODS, MOST, PARTS, SHOWN, shared_method

MAX_EARLIER = 3  # runs beside the one on the page


@dataclass(frozen=True)
class SelectionEvents:
    """The handlers of the switch above the strips, and of Compare in the list of earlier runs."""

    page: PageContext

    def select(
        self,
        beside: str,
        part: str | None,
        chosen: str | None,
        column: str | None,
        measure: str,
        request: gr.Request,
    ) -> Updates:
        """Show methods on one part, or parts under one method."""
        session = self.page.session(request)
        if session.run is None:
            return self.page.unchanged()
        session.selection = replace(
            session.selection,
            beside=PARTS if beside == PARTS else METHODS,
            part=int(part) if part is not None and part.isdigit() else 0,
            method=chosen or "",
        )
        if not any(part.rankings for part in session.run.parts):
            return self.page.unchanged()
        if session.waiting is not None or not session.at_rest:
            return self.page.settling(session, session.run)
        whole = self.page.whole(session, session.run, column=column, measure=measure)
        return as_chosen(whole, self.page.answer.selection.outputs())

    def look(self, event: gr.EventData, request: gr.Request) -> Updates:
        """Further ranks of every row, or only what stands out."""
        session, sent = self.page.session(request), sent_with(event)
        if session.run is None:
            return self.page.unchanged()
        before = session.selection
        most = min(before.most + SHOWN, MOST) if sent.get("more") else SHOWN
        only = before.only_out if sent.get("more") else sent.get("only") is True
        session.selection = replace(before, most=most, only_out=only)
        earlier, waiting = self.page.earlier(session), not session.is_quiet
        return self.page.answer.board(session.run, session.selection, earlier, waiting)

    def reveal(self, event: gr.EventData, request: gr.Request) -> Updates:
        """The true answer, marked; or no longer. The run's link shows it so from now on."""
        session = self.page.session(request)
        if session.run is None:
            return self.page.unchanged()
        session.selection = replace(session.selection, truth=sent_with(event).get("truth") is True)
        earlier, answer = self.page.earlier(session), self.page.answer
        return {
            **answer.board(session.run, session.selection, earlier, not session.is_quiet),
            answer.history: history_message("truth", session.kept, truth=session.selection.truth),
        }

    def compare_with(
        self, event: gr.EventData, column: str | None, measure: str, request: gr.Request
    ) -> Updates:
        """An earlier run beside this one; asked for again, it goes."""
        session, run_id = self.page.session(request), sent_with(event).get("id")
        if session.run is None or not isinstance(run_id, str) or run_id == session.run.id:
            return self.page.unchanged()
        before = session.selection.earlier
        earlier = tuple(k for k in before if k != run_id) if run_id in before else (*before, run_id)
        session.selection = replace(session.selection, beside=PARTS, earlier=earlier[-MAX_EARLIER:])
        found = self.page.earlier(session)
        chosen = shared_method(session.run, session.selection.method, found.values())
        session.selection = replace(session.selection, method=chosen)
        return self.page.whole(session, session.run, column=column, measure=measure)


def connect_selection(page: PageContext) -> None:
    """Wire the switch and the list."""
    answer, events = page.answer, SelectionEvents(page)
    outputs = [*answer.outputs(), page.action.status]  # the status is what `unchanged` speaks of
    grouped_by = [answer.groups.column, answer.groups.measure]
    switch = answer.selection
    # "always_last": what is chosen while an answer is on its way is shown once that is there.
    gr.on(
        [each.input for each in switch.outputs()],
        events.select, [*switch.outputs(), *grouped_by], outputs, trigger_mode="always_last", **AT_ONCE,
    )  # fmt: skip
    answer.grid.look(events.look, None, [answer.grid, page.action.status], **AT_ONCE)
    revealed = [answer.grid, answer.history, page.action.status]
    answer.grid.reveal(events.reveal, None, revealed, **AT_ONCE)
    answer.history.compare(events.compare_with, grouped_by, outputs, **AT_ONCE)

"""Comparing an answer's rankings: which pair is shown, and by which column they are summed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.events.context import PageContext
from app.events.listeners import AT_ONCE
from app.panels.updates import Updates, as_chosen
from app.runs.selection import Strip, strips
from app.runtime.sessions import Session


@dataclass(frozen=True)
class ComparisonEvents:
    """The handlers of the panels Compare and Groups."""

    page: PageContext

    def pair(self, across: str | None, along: str | None, request: gr.Request) -> Updates:
        """Plot two strips, by their keys, rank by rank."""
        session = self.page.session(request)
        if session.run is None:
            return self.page.unchanged()
        panel = self.page.answer.comparison
        return as_chosen(panel.pair(self._shown(session), across, along), [panel.across, panel.along])

    def group(self, of: str | None, column: str | None, measure: str, request: gr.Request) -> Updates:
        """Sum one strip, by its key, by a column of the metadata."""
        session = self.page.session(request)
        if session.run is None:
            return self.page.unchanged()
        panel, training_set = self.page.answer.groups, self.page.workspace.training_set
        summed = panel.whole(self._shown(session), training_set, of, column, measure)
        return as_chosen(summed, [panel.of])

    def _shown(self, session: Session) -> list[Strip]:
        assert session.run is not None
        return strips(session.run, session.selection, self.page.earlier(session))


def connect_comparing(page: PageContext) -> None:
    """Wire both panels."""
    status, events = page.action.status, ComparisonEvents(page)  # the status is what `unchanged` speaks of
    comparison, groups = page.answer.comparison, page.answer.groups
    pair = [comparison.across, comparison.along]
    by = [groups.of, groups.column, groups.measure]
    # "always_last": what is chosen while an answer is on its way is shown once that is there.
    last: dict[str, Any] = {"trigger_mode": "always_last", **AT_ONCE}
    gr.on([each.input for each in pair], events.pair, pair, [*comparison.outputs(), status], **last)
    gr.on([each.input for each in by], events.group, by, [*groups.outputs(), status], **last)

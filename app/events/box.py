"""Boxes drawn, typed, chosen or taken away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.events.callers import sent_with
from app.events.context import READY, PageContext, sentence
from app.events.listeners import AT_ONCE
from app.panels.updates import Updates
from app.runs.boxes import box_of_sides, boxes_of_run, with_box
from app.runs.run import MAX_PARTS
from app.runtime.sessions import Session
from app.views import status
from app.views.stale import is_stale
from attribution.errors import BoxError

NO_SIDES = (None,) * 4
ASK_AGAIN = "The answer shown is an earlier question's: press Attribute to ask this one."
AS_ASKED = "The answer shown is of what is marked now."


@dataclass(frozen=True)
class BoxEvents:
    """The handlers of the stage."""

    page: PageContext

    def draw(self, event: gr.EventData, request: gr.Request) -> Updates:
        """A box was drawn, moved or taken away on the picture."""
        drawn, clock = sent_with(event).get("box"), sent_with(event).get("at")
        session, at = self.page.session(request), float(clock) if isinstance(clock, int | float) else 0.0
        if at < session.drawn:
            return self.page.unchanged()  # what was drawn later has overtaken it
        session.drawn, session.typed = at, None
        sides = drawn if isinstance(drawn, list) else NO_SIDES
        updates, view = self._place(sides, sent_with(event).get("index"), session), self.page.stage.view
        return {**updates, view: {**updates[view], "at": at}} if view in updates else updates

    def type_sides(self, left: Any, top: Any, right: Any, bottom: Any, request: gr.Request) -> Updates:
        """A side of the active box was typed."""
        session, sides = self.page.session(request), (left, top, right, bottom)
        if any(side is None for side in sides):
            session.typed = None
            return self.page.unchanged()  # still typing
        if sides == session.typed:  # a field was left, perhaps for Clear, which this may come after
            return self.page.unchanged()
        session.typed = sides
        updates = self._place(sides, session.active, session)
        # The fields themselves are left alone: the person may be typing in the next one by now.
        return {part: value for part, value in updates.items() if part not in self.page.stage.sides}

    def choose(self, event: gr.EventData, request: gr.Request) -> Updates:
        """Another box is the active one."""
        session, number = self.page.session(request), sent_with(event).get("index")
        if session.picture is None or not isinstance(number, int) or not 0 <= number < len(session.boxes):
            return self.page.unchanged()
        session.active, session.typed = number, None
        return self._marked(session)

    def remove(self, event: gr.EventData, request: gr.Request) -> Updates:
        """One box is taken away."""
        session, number = self.page.session(request), sent_with(event).get("index")
        if not isinstance(number, int) or not 0 <= number < len(session.boxes):
            return self.page.unchanged()
        session.typed = None
        return self._place(NO_SIDES, number, session)

    def add(self, request: gr.Request) -> Updates:
        """The next box that is drawn is another one; pressed again, it is not."""
        session = self.page.session(request)
        if session.picture is None or not session.boxes or len(session.boxes) >= MAX_PARTS:
            return self.page.unchanged()
        adding = session.active >= len(session.boxes)
        session.active = 0 if adding else len(session.boxes)
        return self._marked(session)

    def clear(self, request: gr.Request) -> Updates:
        """The whole picture is asked about again."""
        session = self.page.session(request)
        session.boxes, session.active = (), 0
        return self.page.unchanged() if session.picture is None else self._marked(session)

    def back(self, request: gr.Request) -> Updates:
        """What the answer on the page is of is the question again."""
        session = self.page.session(request)
        run = session.shown_run
        if run is None:
            return self.page.unchanged()
        session.boxes, session.active, session.typed = boxes_of_run(run), 0, None
        written = {}
        if session.caption is not None:
            session.caption = run.caption
            written = {self.page.source.caption: run.caption}
        return {**self._marked(session), **written}

    def write_caption(self, caption: str | None, request: gr.Request) -> Updates:
        """The caption of an upload is being written."""
        session = self.page.session(request)
        if session.picture is None or session.picture.caption:
            return self.page.unchanged()
        session.caption = (caption or "").strip()
        return {**self.page.of_question(session), **self._said(session)}

    def _place(self, sides: Sequence[Any], number: Any, session: Session) -> Updates:
        """Put a box in the place of another, at the end, or nothing in its place."""
        if session.picture is None:
            return self.page.unchanged()
        try:
            box = box_of_sides(sides)
        except BoxError as problem:
            session.box_refused = True
            return {self.page.action.status: status.failed(sentence(str(problem)))}
        if not isinstance(number, int) or not 0 <= number <= len(session.boxes) or number >= MAX_PARTS:
            number = min(session.active, MAX_PARTS - 1)
        session.boxes = with_box(session.boxes, number, box)
        session.active = number if box is not None else max(0, min(number, len(session.boxes) - 1))
        return self._marked(session)

    def _marked(self, session: Session) -> Updates:
        updates = {**self.page.marked(session), **self._said(session)}
        if session.box_refused:  # the complaint is mended
            session.box_refused = False
            updates.setdefault(self.page.action.status, status.idle(READY))
        return updates

    def _said(self, session: Session) -> Updates:
        """The status, where the answer on the page has become another question's, or this one's again."""
        before = session.stale
        session.stale = is_stale(session.shown_run, session.boxes, session.caption)
        if session.stale == before or not session.is_quiet:
            return {}
        line = status.idle(ASK_AGAIN) if session.stale else status.done(AS_ASKED)
        return {self.page.action.status: line}


def connect_box(page: PageContext) -> None:
    """Wire the stage."""
    stage, events = page.stage, BoxEvents(page)
    answer, caption = page.answer, page.source.caption
    of_question = [answer.stale, *answer.downloads.outputs(), page.action.status]
    changed = [stage.view, stage.parts, stage.clear, stage.save, *stage.sides, *of_question]
    # "multiple": a box that is drawn while an answer is on its way counts too.
    stage.view.box(events.draw, None, changed, trigger_mode="multiple", **AT_ONCE)
    stage.clear.click(events.clear, None, changed, **AT_ONCE)
    stage.parts.remove(events.remove, None, changed, **AT_ONCE)
    stage.parts.another(events.add, None, changed, **AT_ONCE)
    stage.parts.choose(events.choose, None, changed, **AT_ONCE)
    stage.view.choose(events.choose, None, changed, **AT_ONCE)
    answer.stale.back(events.back, None, [*changed, caption], **AT_ONCE)
    caption.input(events.write_caption, caption, of_question, trigger_mode="always_last", **AT_ONCE)
    gr.on(
        [event for side in stage.sides for event in (side.submit, side.blur)],
        events.type_sides, list(stage.sides), changed, trigger_mode="always_last", **AT_ONCE,
    )  # fmt: skip

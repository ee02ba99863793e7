"""Tracing unasked: the parts of the picture, each asked about while nobody waits for the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass, replace

import gradio as gr

from app.events.context import PageContext
from app.events.listeners import QUIET
from app.panels.updates import Updates
from app.runs.question import LONGEST, offered_methods
from app.runs.run import Picture
from app.runs.trace import TracedPart, tracing_method
from app.runtime.sessions import Session
from app.runtime.spare_time import PAUSE, SpareTime
from app.views.traced import traced_problem, traced_view
from attribution.analysis.picture_parts import PicturePart, picture_parts
from attribution.engine import attribute
from attribution.gradients.query_context import QueryContext
from attribution.query import Query, Settings
from attribution.results import Progress, Ranking
from attribution.workspace.cache import Cache
from attribution.workspace.workspace import Workspace

Traced = tuple[TracedPart, ...]


@dataclass(frozen=True)
class TraceEvents:
    """The handler of a picture that has come to the page."""

    page: PageContext

    async def trace(self, caption: str | None, request: gr.Request) -> AsyncIterator[Updates]:
        """Trace the picture on the page, once its caption is there.

        Args:
            caption: that is written beside an upload.
        """
        session, traced = self.page.session(request), self.page.stage.traced
        picture, written = session.picture, (caption or "").strip()[:LONGEST]
        method = tracing_method(offered_methods(self.page.workspace))
        told = "" if picture is None else picture.caption or written
        if picture is None or method is None or told in ("", session.traced):
            yield {traced: gr.skip()}
            return
        session.traced = told
        try:
            async for parts in self._traced(session, picture, told, method):
                yield {traced: traced_view(parts)}
        except Exception as problem:  # the page's edge: told in words
            yield {traced: traced_problem(self.page.words_of(problem))}

    async def _traced(
        self, session: Session, picture: Picture, caption: str, method: str
    ) -> AsyncIterator[Traced]:
        """The parts as they are found, and again with each answer."""

        def wanted() -> bool:
            return session.picture is picture and session.traced == caption

        for _ in self.page.loader.waiting(0.0):
            await asyncio.sleep(PAUSE)
            if not wanted():
                return
        query = Query(picture.image, caption)
        events = traced_parts(self.page.workspace, query, method)
        async for event in SpareTime(self.page.queue, self.page.worker).steps(events, wanted):
            if not isinstance(event, Progress) and wanted():
                yield event


def connect_trace(page: PageContext) -> None:
    """Wire the picture, and the caption that an upload is given later."""
    events, caption, traced = TraceEvents(page), page.source.caption, page.stage.traced
    for comes in (traced.trace, caption.blur, caption.submit):
        comes(
            events.trace, caption, traced,
            trigger_mode="multiple",  # the last picture's trace may not have ended yet
            concurrency_limit=None,  # whoever waits, waits in `SpareTime`
            **QUIET,
        )  # fmt: skip


def traced_parts(
    workspace: Workspace, query: Query, method: str
) -> Generator[Progress | Traced, None, None]:
    """Yield progress, the parts of a query's picture as they are found, and again with each one's answer.

    An answer is to the last bit what it is to somebody who asks about the part's box, at effort instant.
    """
    remembered: Cache[Traced] = workspace.cache("traces")
    settings = Settings(effort="instant")
    context = QueryContext(workspace, query, settings)
    known = remembered.get(context.key)
    if known is not None:
        yield known
        return
    found = yield from picture_parts(context)
    traced = [TracedPart(part) for part in found]
    yield tuple(traced)
    for number, each in enumerate(found):
        traced[number] = yield from _answered(workspace, query, each, method, settings)
        yield tuple(traced)
    remembered.put(context.key, tuple(traced))


def _answered(
    workspace: Workspace, query: Query, part: PicturePart, method: str, settings: Settings
) -> Generator[Progress | Traced, None, TracedPart]:
    """Yield progress; return a part with its answer."""
    traced = TracedPart(part)
    for event in attribute(workspace, replace(query, box=part.box), (method,), settings):
        if isinstance(event, Progress):
            yield event
        elif isinstance(event, Ranking) and event.final:
            traced = traced.answered(event)
    return traced

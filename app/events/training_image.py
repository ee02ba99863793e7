"""A closer look at one training image: opening it, what is like it, and asking about it in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.events.callers import sent_with
from app.events.context import READY, PageContext
from app.events.listeners import AT_ONCE, QUIET
from app.panels.updates import Updates
from app.runs.run import Picture, Run
from app.runs.selection import METHODS, Strip, answered, nulls_of, own_strips, strips
from app.runtime.sessions import Session
from app.views import status
from app.views.reasons import reasons
from app.views.training_image import Asked, LossMaps, Neighbour, training_image_view
from attribution.analysis.loss_map import LossMap
from attribution.analysis.near_duplicates import similar_images
from attribution.analysis.significance import common_words
from attribution.errors import TrainingSetError
from attribution.gradients.query_context import QueryContext
from attribution.methods.base import Locating, methods
from attribution.methods.likeness import Likeness
from attribution.workspace.workspace import Workspace

NEAREST = 6  # neighbours in each embedding


@dataclass(frozen=True)
class TrainingImageEvents:
    """The handlers of the dialog, and of everything that opens it."""

    page: PageContext

    def open(self, event: gr.EventData, request: gr.Request) -> Any:
        """What is known of a training image at once."""
        session, row = self.page.session(request), self._row(event)
        clock = sent_with(event).get("at")
        at = float(clock) if isinstance(clock, int | float) else 0.0
        if row is None or (session.opened is not None and at < session.opened[1]):
            return gr.skip()  # what was asked for later has overtaken it
        session.opened = row, at
        return self._shown(session, LossMaps(waiting=bool(locating_strips(session))), False)

    def measure(self, request: gr.Request) -> Any:
        """The same again with how it was forgotten, which takes a moment."""
        session = self.page.session(request)
        opened = session.opened
        if opened is None or not locating_strips(session):
            return gr.skip()
        picture = self._image(opened[0])
        maps = self.page.worker.do(loss_maps, self.page.workspace, session, opened[0])
        if session.opened != opened:  # the person has moved on
            return gr.skip()
        return self._shown(session, LossMaps(picture, maps), True)

    def use(self, event: gr.EventData, request: gr.Request) -> Updates:
        """The training image becomes the picture on the page."""
        session, row = self.page.session(request), self._row(event)
        if row is None:
            return self.page.unchanged()
        try:
            self.page.loader.wait()
            session.begin()
            example = self.page.workspace.training_set.examples[row]
            session.show(Picture(self._image(row), example.caption, {"training_image": example.id}))
            line = status.idle(f"This is training image {example.id}. {READY}")
            return self.page.new_picture(session, line)
        except Exception as problem:  # the page's edge: told in words
            return self.page.refused(session, self.page.words_of(problem))

    def _shown(self, session: Session, maps: LossMaps, measured: bool) -> dict[str, Any]:
        """What detail.js is given."""
        assert session.opened is not None
        row, at = session.opened
        example = self.page.workspace.training_set.examples[row]
        of = "Method" if session.selection.beside == METHODS else "Part"
        shown: list[Strip] = []
        if session.run is not None:
            shown = strips(session.run, session.selection, self.page.earlier(session))
        workspace = self.page.workspace
        nulls = {} if session.run is None else nulls_of(workspace, session.run.settings, shown)
        why, asked = (
            reasons(example, shown, nulls, common_words(workspace)),
            asked_about(session.run, shown),
        )
        words = training_image_view(example, shown, maps, nearest(workspace, row), of, why, asked)
        return {"html": words, "id": example.id, "at": at, "closer": measured}

    def _row(self, event: gr.EventData) -> int | None:
        try:
            return self.page.workspace.training_set.row_of(str(sent_with(event).get("id")))
        except TrainingSetError:
            return None

    def _image(self, row: int) -> Any:
        """The training image as the model sees it."""
        workspace = self.page.workspace
        return workspace.prepared(workspace.training_set.image(row))


def connect_training_image(page: PageContext) -> None:
    """Wire the dialog, and everything that opens it."""
    dialog, events = page.answer.training_image, TrainingImageEvents(page)
    answer, library = page.answer, page.library
    shelves = (library.view, library.collection.view, library.work)
    for view in (answer.grid, answer.comparison.click, *shelves, dialog):
        # "multiple": a key that is pressed while an answer is on its way counts too.
        opened = view.open(events.open, None, dialog, trigger_mode="multiple", **AT_ONCE)
        # "always_last": of those that are asked for while one is measured, the one that is open in the end.
        opened.then(events.measure, None, dialog, trigger_mode="always_last", **QUIET)
    dialog.use(events.use, None, page.outputs(), **AT_ONCE)


def asked_about(run: Run | None, shown: Sequence[Strip]) -> Asked | None:
    """The run's picture with the parts whose rankings are shown; None where none is answered yet."""
    if run is None or not (own := own_strips(run, shown)):
        return None
    boxes = dict.fromkeys(strip.part.query.box for strip in own)
    return Asked(run.picture.image, run.caption, tuple(box for box in boxes if box is not None))


def nearest(workspace: Workspace, row: int) -> dict[str, tuple[Neighbour, ...]]:
    """The training images nearest to one, in each embedding of pictures that the workspace has."""
    examples, found = workspace.training_set.examples, {}
    for each in methods().values():
        if not isinstance(each, Likeness) or each.captions or not workspace.has(each.artifact):
            continue
        near = similar_images(workspace, each.artifact, row, NEAREST)
        found[each.title] = tuple(Neighbour(examples[alike.row], alike) for alike in near)
    return found


def locating_strips(session: Session) -> list[tuple[Strip, Locating]]:
    """The rankings of this run on the page whose method can say how an image was forgotten."""
    if session.run is None:
        return []
    own = answered(strips(session.run, session.selection))
    return [(strip, strip.method) for strip, _ in own if isinstance(strip.method, Locating)]


def loss_maps(workspace: Workspace, session: Session, row: int) -> dict[str, LossMap]:
    """By the name of each ranking whose method remembers this question still."""
    if session.run is None:
        return {}
    settings = session.run.settings
    found = {
        strip.title: each.loss_map(QueryContext(workspace, strip.part.query, settings), row)
        for strip, each in locating_strips(session)
    }
    return {title: how for title, how in found.items() if how is not None}

"""The library: all training images, collections of them, and the question whether a work is among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.frontend.assets import script
from app.panels.updates import Updates, html_panel
from app.views import status
from app.views.library import room_view
from app.views.work import work_room

EMPTY = "Choose images, or filter them, and look at them as a collection."
READY = "Unlearning it takes about a minute, more on a busy machine. The model itself is never changed."
HOST = '<div class="collection-host"></div>'


@dataclass(frozen=True)
class CollectionPanel:
    """What is known of one collection."""

    view: gr.HTML
    dossier: gr.DownloadButton
    csv: gr.DownloadButton
    stop: gr.Button
    status: gr.HTML
    result: gr.HTML

    def outputs(self) -> list[Any]:
        """Every component that the updates below speak of."""
        return [self.view, self.dossier, self.csv, self.stop, self.status, self.result]

    def refused(self, line: str, at: Any) -> Updates:
        """There is no such collection."""
        files = {each: gr.update(value=None, interactive=False) for each in (self.dossier, self.csv)}
        return {self.view: {"html": "", "at": at}, **files, **self.at_rest(line), self.result: ""}

    def whole(self, html: str, dossier: str, csv: str, at: Any) -> Updates:
        """A collection, summed up."""
        return {
            self.view: {"html": html, "at": at},
            self.dossier: gr.update(value=dossier, interactive=True),
            self.csv: gr.update(value=csv, interactive=True),
            **self.at_rest(status.idle(READY)),
            self.result: "",
        }

    def at_work(self, line: str) -> Updates:
        """It is being unlearned."""
        return {self.stop: gr.update(visible=True, value="Stop", interactive=True), self.status: line}

    def at_rest(self, line: str) -> Updates:
        """Nothing runs."""
        return {self.stop: gr.update(visible=False), self.status: line}

    def stopped(self, same: bool) -> str:
        """What is said of a test that was stopped; it is of a kept picture, not of the one on the page."""
        return "Stopped. What was found is shown."

    def stopping(self) -> Updates:
        """It was told to stop; its own end writes everything else."""
        return {self.stop: gr.update(value="Stopping …", interactive=False)}


@dataclass(frozen=True)
class LibraryPanel:
    """The panel's components."""

    view: gr.HTML
    collection: CollectionPanel
    work: gr.HTML


def build_library(text_spaces: Sequence[tuple[str, str]]) -> LibraryPanel:
    """Everything of it; none of it is seen until somebody opens it.

    Args:
        text_spaces: (name, title) of what a text can be compared with.
    """
    with gr.Column(elem_id="library-room"):
        view = html_panel(None, "library", script("library.js"), html_template=room_view(text_spaces))
        with gr.Column(elem_id="collection-room", min_width=0):
            collection = _build_collection()
        work = html_panel(None, "work", script("work.js"), html_template=work_room())
    return LibraryPanel(view, collection, work)


def _build_collection() -> CollectionPanel:
    with gr.Row(elem_id="collection-files"):
        dossier, csv = (
            gr.DownloadButton(
                title, size="sm", interactive=False, min_width=0, elem_id=f"collection-{title.lower()}"
            )
            for title in ("Dossier", "CSV")
        )
    view = html_panel(None, "collection", script("collection.js"), html_template=HOST)
    with gr.Row(elem_id="collection-run"):
        line = html_panel(status.idle(EMPTY), "collection-status")
        stop = gr.Button("Stop", visible=False, elem_id="collection-stop", min_width=0)
    result = html_panel("", "collection-result")
    return CollectionPanel(view, dossier, csv, stop, line, result)

"""What every handler is given: panels, services, and the updates that several handlers share."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.events.callers import address_of
from app.panels.answer import AnswerPanel
from app.panels.ask import BRING, ActionPanel, AskPanel
from app.panels.library import LibraryPanel
from app.panels.source import SourcePanel
from app.panels.stage import StagePanel
from app.panels.updates import Updates
from app.runs.archive import RunArchive
from app.runs.examples import ExampleQuestion
from app.runs.export import write_picture
from app.runs.run import Run
from app.runtime.model_loader import ModelLoader
from app.runtime.queue import ModelQueue, QueuePlace
from app.runtime.reports import REPORTS, went_wrong
from app.runtime.sessions import Session, Sessions, Uploads
from app.runtime.worker import Worker
from app.views import status
from app.views.stage import LatentGrid, legend, parts_view, stage_view
from app.views.traced import traced_soon
from attribution.errors import Cancelled, RunError, WhenceError
from attribution.workspace.workspace import Workspace
from cli.status import is_out_of_memory

READY = "Draw a box around a part, or just press Attribute."

log = logging.getLogger("whence")


@dataclass(frozen=True)
class PageContext:
    """One page: the workspace it asks, what runs behind it, and its panels."""

    workspace: Workspace
    loader: ModelLoader
    archive: RunArchive
    queue: ModelQueue
    worker: Worker
    sessions: Sessions
    uploads: Uploads
    examples: tuple[ExampleQuestion, ...]
    mosaic: tuple[int, ...]  # rows of the training images behind the invitation
    arrival: gr.HTML
    source: SourcePanel
    stage: StagePanel
    ask: AskPanel
    action: ActionPanel
    answer: AnswerPanel
    library: LibraryPanel

    def session(self, request: gr.Request) -> Session:
        """What the page that asks has in hand."""
        session = self.sessions.of(request.session_hash)
        session.address = address_of(request)
        return session

    def latent_grid(self) -> LatentGrid:
        """Latent cells of a picture (height, width); of old workspaces it is the model that knows."""
        return self.workspace.latent_shape[1:]

    def outputs(self) -> list[Any]:
        """Every component that the updates below speak of."""
        return [
            self.stage.view, self.stage.parts, self.stage.clear, *self.stage.sides, self.stage.legend,
            self.stage.save, self.stage.traced, self.source.form.reuse, self.source.form.generate,
            self.action.attribute, self.action.stop, self.action.status,
            *self.answer.outputs(),
        ]  # fmt: skip

    def new_picture(self, session: Session, line: str) -> Updates:
        """The session's picture with its boxes; the answer to the picture before is taken away."""
        picture = session.picture
        assert picture is not None
        return {
            **self.marked(session),
            self.stage.legend: legend(picture, self.workspace.config.preparation.words),
            self.stage.traced: traced_soon(bool(picture.caption)),
            self.source.form.reuse: gr.update(interactive="seed" in picture.made),
            **self.answer.empty(self.mosaic, session.kept),
            **self.at_rest(line),
            self.action.attribute: gr.update(visible=True, interactive=True),
        }

    def nothing(self, session: Session) -> Updates:
        """No picture and no answer: the page as it was opened, its fields as they are."""
        return {
            **self.marked(session),
            self.stage.legend: legend(None),
            self.stage.traced: "",
            self.source.form.reuse: gr.update(interactive=False),
            **self.answer.empty(self.mosaic, session.kept),
            **self.at_rest(status.idle(BRING)),
            self.action.attribute: gr.update(visible=True, interactive=False),
        }

    def marked(self, session: Session) -> Updates:
        """The picture with the boxes on it."""
        picture, boxes, active, grid = session.picture, session.boxes, session.active, self.latent_grid()
        sides = boxes[active].as_tuple() if active < len(boxes) else (None,) * 4
        session.sides = (*session.sides[-1:], sides)
        saved = None
        if picture is not None and "seed" in picture.made:
            saved = str(write_picture(picture, boxes))
        return {
            self.stage.view: stage_view(picture, boxes, active, grid),
            self.stage.parts: parts_view(picture, boxes, active, grid),
            self.stage.clear: gr.update(interactive=bool(boxes)),
            **dict(zip(self.stage.sides, sides, strict=True)),
            self.stage.save: gr.update(value=saved, interactive=saved is not None),
            **self.of_question(session),
        }

    def of_question(self, session: Session) -> Updates:
        """Whether the answer on the page is of what is marked and written now."""
        return self.answer.of_question(session.shown_run, session.boxes, session.caption)

    def earlier(self, session: Session) -> dict[str, Run]:
        """The earlier runs that the person has chosen to see beside this one."""
        found = {}
        for run_id in session.selection.earlier:
            try:
                found[run_id] = self.archive.read(run_id)
            except RunError as problem:  # forgotten since; the run that is shown stands without it
                log.info("an earlier run is not shown: %s", problem)
        return found

    def settling(self, session: Session, run: Run) -> Updates:
        """The answer as far as it is there."""
        return self.answer.settling(run, session.selection, self.earlier(session))

    def whole(self, session: Session, run: Run, **grouped_by: Any) -> Updates:
        """The answer that has ended, from every side; `grouped_by` as `AnswerPanel.whole` takes it."""
        earlier = self.earlier(session)
        return self.answer.whole(
            self.workspace, run, session.selection, earlier, not session.stale, **grouped_by
        )

    def unchanged(self) -> Updates:
        """Nothing new. A generator that yields nothing at all would have every output blanked."""
        return {self.action.status: gr.skip()}

    def at_work(self, line: str) -> Updates:
        """Something runs for this page."""
        return {
            self.action.status: line,
            self.action.attribute: gr.update(visible=False),
            self.action.stop: gr.update(visible=True),
            self.source.form.generate: gr.update(interactive=False),
        }

    def at_rest(self, line: str) -> Updates:
        """Nothing runs for this page."""
        return {
            self.action.status: line,
            self.action.attribute: gr.update(visible=True),
            self.action.stop: gr.update(visible=False),
            self.source.form.generate: gr.update(interactive=True),
        }

    def refused(self, session: Session, words: str) -> Updates:
        """What was asked for just now is not done; what is on its way goes on."""
        line = status.failed(words)
        return {self.action.status: line} if session.is_busy else self.at_rest(line)

    def failed(self, problem: Exception) -> Updates:
        """What ran has failed; in words."""
        return self.at_rest(status.failed(self.words_of(problem)))

    def words_of(self, problem: Exception) -> str:
        """A failure as a sentence: ours as it stands, of any other where it stands in the server's log."""
        if isinstance(problem, WhenceError):
            return sentence(str(problem))
        number = REPORTS.mistake(problem)
        if is_out_of_memory(problem):
            return "There is not enough memory: open the page again with a smaller --batch-size."
        return went_wrong(number)

    def wait_for_model(self, place: QueuePlace, stop: threading.Event, kind: str) -> Iterator[Updates]:
        """The updates until the model is there and it is this page's turn.

        Raises:
            Cancelled: the person has pressed Stop.
        """
        for _ in self.loader.waiting():
            if stop.is_set():
                raise Cancelled("stopped")
            place.turn(0)
            yield {self.action.status: status.running("Opening the model", kind=kind)}
        while not place.turn():
            if stop.is_set():
                raise Cancelled("stopped")
            yield {self.action.status: status.running("In line for the model", place.words(), kind=kind)}


def sentence(words: str) -> str:
    """Our errors begin in lower case, for a command line; a page begins with a capital."""
    return words[:1].upper() + words[1:]

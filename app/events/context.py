"""The whole page in one hand: its panels, the workspace, and the views that several handlers share."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.panels.answer import Answer
from app.panels.ask import Action, Ask
from app.panels.source import Source
from app.panels.stage import Grid, Stage, legend, parts_view, stage_view
from app.runs.archive import Runs
from app.runs.examples import Question
from app.runs.export import write_picture
from app.runs.run import Run
from app.runtime.model_loader import Warm
from app.runtime.queue import Line
from app.runtime.sessions import Session, Sessions, Uploads
from app.runtime.worker import Worker
from app.views import status
from attribution.errors import RunError, WhenceError
from attribution.workspace.workspace import Workspace

View = dict[Any, Any]  # component => what it shows from now on

log = logging.getLogger("whence")


@dataclass(frozen=True)
class Desk:
    workspace: Workspace
    warm: Warm
    runs: Runs
    line: Line
    worker: Worker
    sessions: Sessions
    uploads: Uploads
    questions: tuple[Question, ...]
    mosaic: tuple[int, ...]  # rows of the training images behind the invitation
    source: Source
    stage: Stage
    ask: Ask
    action: Action
    answer: Answer

    def grid(self) -> Grid:
        """Latent cells of a picture (height, width); there once the model is."""
        return self.workspace.model.latent_shape[1:]

    def outputs(self) -> list[Any]:
        """Every component that the views below speak of."""
        return [
            self.stage.view, self.stage.parts, self.stage.clear, *self.stage.sides, self.stage.legend,
            self.stage.save, self.source.reuse, self.source.generate,
            self.action.attribute, self.action.stop, self.action.status,
            *self.answer.outputs(),
        ]  # fmt: skip

    def new_picture(self, session: Session, line: str) -> View:
        """The session's picture with its boxes; the answer to the picture before is taken away."""
        picture = session.picture
        assert picture is not None
        return {
            **self.marked(session),
            self.stage.legend: legend(picture),
            self.source.reuse: gr.update(interactive="seed" in picture.made),
            **self.answer.empty(self.mosaic),
            **self.at_rest(line),
            self.action.attribute: gr.update(visible=True, interactive=True),
        }

    def marked(self, session: Session) -> View:
        """The picture with the boxes on it."""
        picture, boxes, active = session.picture, session.boxes, session.active
        sides = boxes[active].as_tuple() if active < len(boxes) else (None,) * 4
        view = {
            self.stage.view: stage_view(picture, boxes, active, self.grid()),
            self.stage.parts: parts_view(picture, boxes, active, self.grid()),
            self.stage.clear: gr.update(interactive=bool(boxes)),
            **dict(zip(self.stage.sides, sides, strict=True)),
        }
        if picture is not None and "seed" in picture.made:
            view[self.stage.save] = gr.update(value=str(write_picture(picture, boxes)), interactive=True)
        else:
            view[self.stage.save] = gr.update(value=None, interactive=False)
        return view

    def earlier(self, session: Session) -> dict[str, Run]:
        """The earlier runs that the person has chosen to see beside this one."""
        found = {}
        for run_id in session.view.earlier:
            try:
                found[run_id] = self.runs.read(run_id)
            except RunError as problem:  # forgotten since; the run that is shown stands without it
                log.info("an earlier run is not shown: %s", problem)
        return found

    def unchanged(self) -> View:
        """Nothing new. A generator that yields nothing at all would have every output blanked."""
        return {self.action.status: gr.skip()}

    def at_work(self, line: str) -> View:
        return {
            self.action.status: line,
            self.action.attribute: gr.update(visible=False),
            self.action.stop: gr.update(visible=True),
            self.source.generate: gr.update(interactive=False),
        }

    def at_rest(self, line: str) -> View:
        return {
            self.action.status: line,
            self.action.attribute: gr.update(visible=True),
            self.action.stop: gr.update(visible=False),
            self.source.generate: gr.update(interactive=True),
        }

    def failed(self, problem: Exception) -> View:
        """A failure in words: ours as they stand, any other in the server's log."""
        if isinstance(problem, WhenceError):
            return self.at_rest(status.failed(sentence(str(problem))))
        log.error("a query failed", exc_info=problem)
        return self.at_rest(status.failed("Something went wrong on the server; its log says what."))


def sentence(words: str) -> str:
    """Our errors begin in lower case, for a command line; a page begins with a capital."""
    return words[:1].upper() + words[1:]

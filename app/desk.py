"""The whole page in one hand: its panels, the workspace, and the views that several handlers share."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app import status
from app.answer import Answer
from app.ask import Action, Ask
from app.board import empty_board
from app.examples import Question
from app.export import write_picture
from app.sessions import Picture, Sessions, Uploads
from app.source import Source
from app.stage import Grid, Stage, crop_view, legend, stage_view
from app.warm import Warm
from attribution.errors import WhenceError
from attribution.query import Box
from attribution.workspace import Workspace

View = dict[Any, Any]  # component => what it shows from now on

log = logging.getLogger("whence")


@dataclass(frozen=True)
class Desk:
    workspace: Workspace
    warm: Warm
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
        """Every component that `new_picture`, `at_work` and `at_rest` speak of."""
        return [
            self.stage.view, self.stage.crop, self.stage.clear, *self.stage.sides, self.stage.legend,
            self.stage.save, self.source.reuse, self.source.generate,
            self.action.attribute, self.action.stop, self.action.status,
            self.answer.board, self.answer.plot, self.answer.json, self.answer.csv,
        ]  # fmt: skip

    def new_picture(self, picture: Picture, box: Box | None, line: str) -> View:
        """The picture with its box; the answer to the picture before is taken away."""
        known = "seed" in picture.made
        return {
            **self.boxed(picture, box),
            self.stage.legend: legend(picture),
            self.stage.save: gr.update(
                value=str(write_picture(picture)) if known else None, interactive=known
            ),
            self.source.reuse: gr.update(interactive=known),
            self.answer.board: empty_board(self.mosaic),
            self.answer.plot: None,
            self.answer.json: gr.update(value=None, interactive=False),
            self.answer.csv: gr.update(value=None, interactive=False),
            **self.at_rest(line),
            self.action.attribute: gr.update(visible=True, interactive=True),
        }

    def boxed(self, picture: Picture, box: Box | None) -> View:
        sides = box.as_tuple() if box is not None else (None,) * 4
        return {
            self.stage.view: stage_view(picture, box, self.grid()),
            self.stage.crop: crop_view(picture, box, self.grid()),
            self.stage.clear: gr.update(interactive=box is not None),
            **dict(zip(self.stage.sides, sides, strict=True)),
        }

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

"""A page that is opened, and one that is closed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.events.context import PageContext
from app.events.listeners import QUIET
from app.frontend.assets import script
from app.panels.ask import Pace, effort_choices
from attribution.errors import WhenceError
from attribution.unlearning.parts import rate_of_all
from attribution.workspace.workspace import Workspace


@dataclass(frozen=True)
class VisitEvents:
    """The handlers of the page itself."""

    page: PageContext

    def expect(self) -> Any:
        """How long each effort will take on this machine, once the model is there to be timed."""
        try:
            self.page.loader.wait()
        except WhenceError:
            return gr.skip()  # told to whoever asks for the model
        workspace = self.page.workspace
        here, images = self.page.loader.draws_per_second, len(workspace.training_set)
        pace = None if here is None else Pace(here, rate_of_all(workspace, here))
        return gr.update(choices=effort_choices(images, draws_each(workspace), pace))

    def leave(self, request: gr.Request) -> None:
        """The page was closed: what runs for it ends."""
        self.page.sessions.close(request.session_hash)


def connect_visits(blocks: gr.Blocks, page: PageContext) -> None:
    """Wire the page."""
    events = VisitEvents(page)
    blocks.unload(events.leave)
    blocks.load(events.expect, None, page.ask.effort, **QUIET)
    blocks.load(None, js=f"() => {{ {script('shade.js')} {script('draft.js')} }}")


def draws_each(workspace: Workspace) -> int:
    """Of a training image that is measured in full."""
    return len(workspace.probe.timesteps) * workspace.probe.noises

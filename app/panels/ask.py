"""What is asked of the picture: which methods, how far they look, and the button."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from app.frontend.assets import script
from app.panels.updates import html_panel
from app.runs.question import usual_methods
from app.views import status
from app.views.methods import method_chooser
from attribution.gradients.draw_gradient import BACKWARD
from attribution.gradients.query_context import GRADIENT_DRAWS
from attribution.methods.base import Method
from attribution.query import Settings

BRING = "Make or bring a picture first."
# On the page that a link opens; assets/page/history.js brings the form back.
UNFOLD = '<button type="button" class="unfold">Ask a question of your own</button>'


@dataclass(frozen=True)
class AskPanel:
    """Methods and effort."""

    methods: gr.HTML  # its value is a list of names
    effort: gr.Radio


@dataclass(frozen=True)
class ActionPanel:
    """The button, and what it has set going."""

    attribute: gr.Button
    stop: gr.Button
    status: gr.HTML


@dataclass(frozen=True)
class Pace:
    """How many draws a second are made here, and where all training images are measured, by all workers."""

    here: float
    of_all: float

    def seconds(self, here: int, of_all: int) -> float:
        """How long so many draws of each kind take, one kind after the other."""
        return here / self.here + of_all / self.of_all


def effort_choices(
    training_images: int, draws_each: int, pace: Pace | None = None
) -> list[tuple[str, str]]:
    """(label, effort); the label's second line says how it looks or, once known, for how long."""
    settings = Settings()
    gradient = BACKWARD * GRADIENT_DRAWS
    choices = (
        ("instant", "Instant", "looked up", gradient, 0),
        ("refined", "Refined", "best measured", gradient + settings.budget, 0),
        ("exhaustive", "Exhaustive", "all measured", gradient, training_images * draws_each),
    )
    return [
        (f"{title}\n{words if pace is None else _expected(pace.seconds(here, of_all))}", effort)
        for effort, title, words, here, of_all in choices
    ]


def _expected(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, round(seconds))}\N{NO-BREAK SPACE}s"
    return f"about {round(seconds / 60):,}\N{NO-BREAK SPACE}min"


def build_ask(found: Sequence[Method], training_images: int, draws_each: int) -> AskPanel:
    """Methods and effort stand over the answer, the button under the picture: see `build_action`."""
    ticked = usual_methods(found)
    with gr.Row(elem_id="ask"):
        chooser = method_chooser(found, ticked)
        chosen = html_panel(ticked, "methods", script("methods.js"), html_template=chooser, min_width=0)
        effort = gr.Radio(
            effort_choices(training_images, draws_each),
            value="refined",
            label="Effort",
            elem_id="effort",
            min_width=0,
        )
    return AskPanel(chosen, effort)


def build_action() -> ActionPanel:
    """The button, and the line below it that says what is going on."""
    with gr.Column(elem_id="action"):
        attribute = gr.Button("Attribute", variant="primary", interactive=False, elem_id="attribute")
        stop = gr.Button("Stop", variant="stop", visible=False, elem_id="stop")
        html_panel(UNFOLD, "unfold")
        line = html_panel(status.idle(BRING), "status")
    return ActionPanel(attribute, stop, line)

"""The panel that tests an answer: unlearn what it names, or the picture itself, and see what changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.panels.comparison import answered
from app.runs.run import Run
from app.runs.selection import Strip
from app.views import status

MOST, USUAL = 50, 20  # images that are unlearned together

INTRO = (
    "A ranking says which images this picture owes most to. Put it to the test: the model unlearns the "
    "first images, and as a control as many random ones, and makes the picture again from the same noise."
)
INTRO_ITSELF = (
    "The other way round: the model unlearns this very picture, which is what the scores are made of. It "
    "should change; pictures that have nothing to do with it should not."
)
READY = "Takes about half a minute, more on a busy machine. The model itself is never changed."


@dataclass(frozen=True)
class Prove:
    """The panel's components."""

    of: gr.Dropdown
    count: gr.Slider
    top: gr.Button
    itself: gr.Button
    stop: gr.Button
    status: gr.HTML
    top_result: gr.HTML
    itself_result: gr.HTML

    def outputs(self) -> list[Any]:
        """Every component that the views below speak of."""
        return [
            self.of, self.count, self.top, self.itself, self.stop, self.status,
            self.top_result, self.itself_result,
        ]  # fmt: skip

    def empty(self) -> dict[Any, Any]:
        """There is nothing to test yet."""
        return {
            self.of: gr.update(choices=[], value=None),
            self.top: gr.update(interactive=False, visible=True),
            self.itself: gr.update(interactive=False, visible=True),
            self.stop: gr.update(visible=False),
            self.status: status.idle(READY),
            self.top_result: "",
            self.itself_result: "",
        }

    def ready(self, run: Run, shown: Sequence[Strip]) -> dict[Any, Any]:
        """An answer is there, or is seen from another side; a test that runs goes on."""
        choices = [(strip.title, strip.key) for strip in own_strips(run, shown)]
        there = gr.update(interactive=bool(choices))
        return {
            self.of: gr.update(choices=choices, value=choices[0][1] if choices else None),
            self.top: there,
            self.itself: there,
        }

    def at_work(self, line: str) -> dict[Any, Any]:
        return {
            self.top: gr.update(visible=False),
            self.itself: gr.update(visible=False),
            self.stop: gr.update(visible=True),
            self.status: line,
        }

    def at_rest(self, line: str) -> dict[Any, Any]:
        return {
            self.top: gr.update(visible=True),
            self.itself: gr.update(visible=True),
            self.stop: gr.update(visible=False),
            self.status: line,
        }


def build_proof() -> Prove:
    gr.HTML(f'<p class="proof-intro">{INTRO}</p>', apply_default_css=False, js_on_load=None)
    with gr.Row(elem_id="proof-ask"):
        of = gr.Dropdown([], label="Ranked by", elem_id="proof-of", min_width=0, filterable=False)
        count = gr.Slider(1, MOST, USUAL, step=1, label="First images", elem_id="proof-count", min_width=0)
        top = gr.Button("Prove it", variant="primary", interactive=False, elem_id="prove", min_width=0)
        itself = gr.Button(
            "Unlearn the picture itself", interactive=False, elem_id="prove-itself", min_width=0
        )
        stop = gr.Button("Stop", visible=False, elem_id="prove-stop", min_width=0)
    line = gr.HTML(status.idle(READY), apply_default_css=False, js_on_load=None, elem_id="proof-status")
    top_result = gr.HTML("", apply_default_css=False, js_on_load=None, elem_id="proof-top")
    gr.HTML(f'<p class="proof-intro">{INTRO_ITSELF}</p>', apply_default_css=False, js_on_load=None)
    itself_result = gr.HTML("", apply_default_css=False, js_on_load=None, elem_id="proof-itself")
    return Prove(of, count, top, itself, stop, line, top_result, itself_result)


def own_strips(run: Run, shown: Sequence[Strip]) -> list[Strip]:
    """The strips of this very run: an earlier one's picture is not on the page."""
    return [strip for strip, _ in answered(shown) if any(strip.part is part for part in run.parts)]

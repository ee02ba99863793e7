"""What is asked of the picture: which methods, how far they look, and the button."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from app import status
from attribution.query import Settings
from attribution.registry import Method, methods
from attribution.workspace import Workspace

CHOSEN_AT_FIRST = ("abu", "clip", "dino")


@dataclass(frozen=True)
class Ask:
    """What is asked."""

    methods: gr.CheckboxGroup
    effort: gr.Radio


@dataclass(frozen=True)
class Action:
    """The button, and what it has set going."""

    attribute: gr.Button
    stop: gr.Button
    status: gr.HTML


def offered(workspace: Workspace) -> list[Method]:
    """The methods whose artifacts have been made."""
    return [m for m in methods().values() if all(workspace.store.has(need) for need in m.needs(workspace))]


def effort_choices(training_images: int) -> list[tuple[str, str]]:
    """(label, effort); the label's second line says how far it looks."""
    shortlist = min(Settings().shortlist, training_images)
    return [
        ("Instant\nneighbours only", "instant"),
        (f"Refined\na shortlist of {shortlist:,}", "refined"),
        (f"Exhaustive\nall {training_images:,} images", "exhaustive"),
    ]


def build_ask(found: Sequence[Method], training_images: int) -> Ask:
    """Methods and effort stand over the answer, the button under the picture: see `build_action`."""
    names = [method.name for method in found]
    with gr.Row(elem_id="ask"):
        chosen = gr.CheckboxGroup(
            [(method.title, method.name) for method in found],
            value=[name for name in CHOSEN_AT_FIRST if name in names] or names[:1],
            label="Methods",
            elem_id="methods",
            min_width=0,
        )
        effort = gr.Radio(
            effort_choices(training_images), value="refined", label="Effort", elem_id="effort", min_width=0
        )
    return Ask(chosen, effort)


def build_action() -> Action:
    with gr.Column(elem_id="action"):
        attribute = gr.Button("Attribute", variant="primary", interactive=False, elem_id="attribute")
        stop = gr.Button("Stop", variant="stop", visible=False, elem_id="stop")
        line = gr.HTML(
            status.idle("Make or bring a picture first."),
            apply_default_css=False,
            elem_id="status",
            js_on_load=None,
        )
    return Action(attribute, stop, line)

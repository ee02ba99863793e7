"""Where the picture comes from: a prompt, a file, or an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.frontend.assets import script
from app.panels.updates import Updates, html_panel
from app.runs.examples import ExampleQuestion
from app.views.examples import example_list
from app.views.heading import drop_zone
from app.views.known_words import unsaid_view
from attribution.models.base import Generation


@dataclass(frozen=True)
class GenerateForm:
    """What a picture is generated from, and the buttons beside it."""

    prompt: gr.Textbox
    seed: gr.Number
    randomise: gr.Button
    reuse: gr.Button
    steps: gr.Slider
    guidance: gr.Slider
    negative: gr.Textbox
    generate: gr.Button
    unsaid: gr.HTML

    def settings(self) -> list[Any]:
        """The fields that a picture is a function of."""
        return [self.prompt, self.seed, self.steps, self.guidance, self.negative]


@dataclass(frozen=True)
class SourcePanel:
    """The panel's components."""

    form: GenerateForm
    drop: gr.HTML
    caption: gr.Textbox
    examples: gr.HTML

    def restored(self, made: Mapping[str, Any]) -> Updates:
        """The fields as they were when a picture was made, as far as it says."""
        if not made:
            return {}
        fields = {
            self.caption: made.get("prompt"),
            self.form.prompt: made.get("prompt"),
            self.form.seed: made.get("seed"),
            self.form.steps: made.get("steps"),
            self.form.guidance: made.get("guidance"),
            self.form.negative: made.get("negative_prompt", ""),
        }
        return {field: value for field, value in fields.items() if value is not None}


def build_source(
    questions: Sequence[ExampleQuestion], defaults: Generation, known: str, listed: bool = True
) -> SourcePanel:
    """Three tabs: Generate, Upload and, where there are any and they are to be `listed`, Examples.

    Args:
        known: the words to press, as HTML.
    """
    with gr.Tabs(elem_id="source"):
        with gr.Tab("Generate", id="generate"), gr.Column(elem_id="generate-form"):
            form = _build_form(questions[0].prompt if questions else "", defaults, known)
        with gr.Tab("Upload", id="upload"):
            drop = html_panel(None, "drop", script("drop.js"), html_template=drop_zone())
            caption = gr.Textbox(
                label="Its caption",
                lines=2,
                max_lines=4,
                elem_id="caption",
                placeholder="The prompt that made it, or what it shows",
            )
        with gr.Tab("Examples", id="examples", visible=listed and bool(questions)):
            examples = html_panel(example_list(questions), "examples", script("examples.js"))
    return SourcePanel(form, drop, caption, examples)


def _build_form(example: str, defaults: Generation, known: str) -> GenerateForm:
    prompt = gr.Textbox(
        label="Prompt",
        lines=1,  # so that Enter generates, and Shift+Enter is a new line
        max_lines=4,
        elem_id="prompt",
        placeholder=example or "What should the picture show?",
    )
    unsaid = html_panel(unsaid_view(()), "unsaid")
    if known:
        html_panel(known, "known", script("words.js"))
    with gr.Row(elem_id="seed-row"):
        seed = gr.Number(0, label="Seed", precision=0, min_width=90, elem_id="seed")
        randomise = gr.Button("Random", size="sm", min_width=0, elem_id="randomise")
        reuse = gr.Button("Reuse", size="sm", min_width=0, elem_id="reuse", interactive=False)
        generate = gr.Button("Generate", variant="secondary", min_width=0, elem_id="generate")
    with gr.Accordion("Steps, guidance, negative prompt", open=False, elem_id="more"):
        steps = gr.Slider(1, 200, value=defaults.steps, step=1, label="Steps", elem_id="steps")
        guidance = gr.Slider(1, 12, value=defaults.guidance, step=0.1, label="Guidance", elem_id="guidance")
        negative = gr.Textbox(label="Negative prompt", lines=1, elem_id="negative")
    return GenerateForm(prompt, seed, randomise, reuse, steps, guidance, negative, generate, unsaid)

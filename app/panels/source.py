"""Where the picture comes from: a prompt, a file, or an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.frontend.assets import script
from app.runs.examples import Question, question_list
from attribution.models.base import Generation

MAX_SEED = 2**31 - 1
DROP = (
    '<label class="drop"><input type="file" accept="image/png,image/jpeg,image/webp">'
    '<span class="drop-glyph" aria-hidden="true"></span>'
    '<span class="drop-words">Choose a picture, drop or paste it</span>'
    "<small>PNG, JPEG or WebP, up to 20 MB. A PNG saved from this page brings its settings back.</small>"
    "</label>"
)


@dataclass(frozen=True)
class Source:
    """The panel's components."""

    tabs: gr.Tabs
    prompt: gr.Textbox
    seed: gr.Number
    randomise: gr.Button
    reuse: gr.Button
    steps: gr.Slider
    guidance: gr.Slider
    negative: gr.Textbox
    generate: gr.Button
    drop: gr.HTML
    caption: gr.Textbox
    examples: gr.HTML


def restored_fields(source: Source, made: Mapping[str, Any]) -> dict[Any, Any]:
    """The fields as they were when a picture was made, as far as it says."""
    if not made:
        return {}
    fields = {
        source.caption: made.get("prompt"),
        source.prompt: made.get("prompt"),
        source.seed: made.get("seed"),
        source.steps: made.get("steps"),
        source.guidance: made.get("guidance"),
        source.negative: made.get("negative_prompt", ""),
    }
    return {field: value for field, value in fields.items() if value is not None}


def build_source(questions: Sequence[Question], defaults: Generation) -> Source:
    first = questions[0].prompt if questions else ""
    with gr.Tabs(elem_id="source") as tabs:
        with gr.Tab("Generate", id="generate"), gr.Column(elem_id="generate-form"):
            prompt = gr.Textbox(
                label="Prompt",
                lines=2,
                max_lines=4,
                max_length=500,
                elem_id="prompt",
                placeholder=first or "What should the picture show?",
            )
            with gr.Row(elem_id="seed-row"):
                seed = gr.Number(0, label="Seed", precision=0, min_width=90, elem_id="seed")
                randomise = gr.Button("Random", size="sm", min_width=0, elem_id="randomise")
                reuse = gr.Button("Reuse", size="sm", min_width=0, elem_id="reuse", interactive=False)
                generate = gr.Button("Generate", variant="secondary", min_width=0, elem_id="generate")
            with gr.Accordion("Steps, guidance, negative prompt", open=False, elem_id="more"):
                steps = gr.Slider(1, 200, value=defaults.steps, step=1, label="Steps", elem_id="steps")
                guidance = gr.Slider(
                    1, 12, value=defaults.guidance, step=0.1, label="Guidance", elem_id="guidance"
                )
                negative = gr.Textbox(label="Negative prompt", lines=1, max_length=500, elem_id="negative")
        with gr.Tab("Upload", id="upload"):
            drop = gr.HTML(
                html_template=DROP, js_on_load=script("drop.js"), apply_default_css=False, elem_id="drop"
            )
            caption = gr.Textbox(
                label="Its caption",
                lines=2,
                max_lines=4,
                max_length=500,
                elem_id="caption",
                placeholder="The prompt that made it, or what it shows",
            )
        with gr.Tab("Examples", id="examples", visible=bool(questions)):
            examples = gr.HTML(
                question_list(questions),
                js_on_load=script("examples.js"),
                apply_default_css=False,
                elem_id="examples",
            )
    return Source(
        tabs, prompt, seed, randomise, reuse, steps, guidance, negative, generate, drop, caption, examples
    )

"""The picture and the boxes on it, drawn, typed or moved by keys, and what the model will use of it."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from app.frontend.assets import script
from app.panels.updates import html_panel
from app.views.stage import NO_GRID, legend, parts_view, stage_view

SIDES = ("Left", "Top", "Right", "Bottom")


@dataclass(frozen=True)
class StagePanel:
    """The panel's components."""

    view: gr.HTML
    traced: gr.HTML
    parts: gr.HTML
    sides: tuple[gr.Number, gr.Number, gr.Number, gr.Number]
    clear: gr.Button
    legend: gr.HTML
    save: gr.DownloadButton


def build_stage() -> StagePanel:
    """The picture, its legend, what was traced unasked, what will be asked about, and the box's fields."""
    empty = stage_view(None, (), 0, NO_GRID)
    view = html_panel(empty, "stage", script("stage.js"), html_template='<div class="stage-host"></div>')
    with gr.Row(elem_id="legend-row"):
        line = html_panel(legend(None), "legend")
        save = gr.DownloadButton("Save", size="sm", interactive=False, min_width=0, elem_id="save-picture")
    traced = html_panel("", "traced", script("traced.js"))
    with gr.Row(elem_id="parts-row"):
        parts = html_panel(parts_view(None, (), 0, NO_GRID), "parts", script("parts.js"))
        clear = gr.Button("Clear", size="sm", elem_id="clear-box", interactive=False, min_width=0)
    with gr.Accordion("Type the box", open=False, elem_id="typed-box"), gr.Row():
        left, top, right, bottom = (
            gr.Number(None, label=name, step=0.01, min_width=60, elem_id=f"box-{name.lower()}")
            for name in SIDES
        )
    return StagePanel(view, traced, parts, (left, top, right, bottom), clear, line, save)

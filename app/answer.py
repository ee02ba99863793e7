"""The panel of answers: the strips, the scores, how to read them, and the files to take away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from app.assets import script
from app.board import empty_board
from app.guide import GUIDE


@dataclass(frozen=True)
class Answer:
    """The panel's components."""

    board: gr.HTML
    plot: gr.Plot
    json: gr.DownloadButton
    csv: gr.DownloadButton
    detail: gr.HTML


def build_answer(mosaic: Sequence[int]) -> Answer:
    with gr.Column(elem_id="answer-box"):
        with gr.Row(elem_id="take-away"):
            as_json = gr.DownloadButton(
                "JSON", size="sm", interactive=False, min_width=0, elem_id="download-json"
            )
            as_csv = gr.DownloadButton(
                "CSV", size="sm", interactive=False, min_width=0, elem_id="download-csv"
            )
        with gr.Tabs(elem_id="answer"):
            with gr.Tab("Training images", id="board"):
                board = gr.HTML(
                    empty_board(mosaic),
                    js_on_load=script("board.js"),
                    apply_default_css=False,
                    elem_id="board",
                )
            with gr.Tab("Scores", id="scores"):
                plot = gr.Plot(show_label=False, container=False, elem_id="plot")
            with gr.Tab("How to read this", id="guide"):
                gr.HTML(GUIDE, apply_default_css=False, js_on_load=None)
    detail = gr.HTML(
        None,
        html_template="<span></span>",
        js_on_load=script("detail.js"),
        apply_default_css=False,
        elem_id="detail",
    )
    return Answer(board, plot, as_json, as_csv, detail)

"""What the page opens on: examples whose answers are kept, each a picture to press."""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from app.frontend.assets import script
from app.panels.updates import html_panel
from app.runs.archive import RunArchive
from app.runs.examples import ExampleQuestion
from app.views.examples import kept_example_row


def build_arrival(archive: RunArchive, questions: Sequence[ExampleQuestion]) -> gr.HTML:
    """The row of pictures; nothing is to be seen of it where no example is kept."""
    row = kept_example_row(archive, questions)
    return html_panel(row, "arrival", script("arrival.js"), visible=bool(row))

"""What a handler gives back: the components that change, and to what."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import gradio as gr
import plotly.graph_objects as go

Updates = dict[Any, Any]  # component => what it shows from now on
# Of IBM Plex Sans, which comes with Gradio.
FONTS = Path(gr.__file__).parent / "templates" / "frontend" / "static" / "fonts" / "IBMPlexSans"


def figure_update(figure: go.Figure | None) -> Any:
    """What a plot shows of a figure: nothing at all where there is none."""
    return gr.update(value=figure, visible=figure is not None)


def as_chosen(updates: Updates, choices: Collection[Any]) -> Updates:
    """The updates, but for the values of what a person chooses by: they may have chosen again by now."""
    return {
        each: {name: new for name, new in value.items() if name != "value"} if each in choices else value
        for each, value in updates.items()
    }


def html_panel(value: Any, elem_id: str | None = None, js: str | None = None, **more: Any) -> gr.HTML:
    """HTML that brings its own styles, and the script of its own that it is given."""
    return gr.HTML(value, apply_default_css=False, js_on_load=js, elem_id=elem_id, **more)

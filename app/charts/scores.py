"""Scores by rank, one row of the figure a strip, with bars of one standard error; and how plots look."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import gradio as gr
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.runs.selection import Strip

PLOTTED = 100  # ranks
MID_GREY = "#8a857c"  # legible on paper and in the dark
GRID = "rgba(138,133,124,0.22)"
COLOURS = {
    "abu": "#c8501f",
    "abu-plus": "#a23a4e",
    "first-order": "#d08a3a",
    "clip": "#3f7cac",
    "clip-text": "#7a6fb0",
    "dino": "#3c8d6e",
    "pixel": "#a8842c",
}
OF_PARTS = ("#c8501f", "#3f7cac", "#3c8d6e", "#7a6fb0", "#a8842c", "#a23a4e")  # when methods are alike


def colours_of(shown: Sequence[Strip]) -> list[str]:
    """A colour each: the method's own, or the place's where they are all under one method."""
    names = [strip.method.name for strip in shown]
    if len(set(names)) < len(names):
        return [OF_PARTS[place % len(OF_PARTS)] for place in range(len(names))]
    return [COLOURS.get(name, MID_GREY) for name in names]


def layout(figure: go.Figure, height: int) -> go.Figure:
    """Transparent, in mid-greys: right on paper and in the dark."""
    figure.update_layout(
        height=height,
        showlegend=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": MID_GREY, "size": 12, "family": "IBM Plex Sans, system-ui, sans-serif"},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        margin={"l": 56, "r": 12, "t": 28, "b": 44},
    )
    figure.update_xaxes(gridcolor=GRID, zeroline=False, linecolor=GRID, fixedrange=True)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, linecolor=GRID, fixedrange=True)
    return figure


def shown(figure: go.Figure | None) -> Any:
    """What a component shows of a figure: nothing at all where there is none."""
    return gr.update(value=figure, visible=figure is not None)


def score_plot(shown: Sequence[Strip]) -> go.Figure | None:
    """Each ranking's own unit on its own axis: scores of different methods cannot be compared."""
    rankings = [(strip, strip.ranking) for strip in shown if strip.ranking is not None]
    if not rankings:
        return None
    rows, height = len(rankings), 60 + 170 * len(rankings)
    figure = make_subplots(
        rows=rows,
        cols=1,
        shared_xaxes=True,
        subplot_titles=[html.escape(strip.title) for strip, _ in rankings],
        vertical_spacing=44 / height if rows > 1 else 0,
    )
    colours = colours_of([strip for strip, _ in rankings])
    for row, ((_, ranking), colour) in enumerate(zip(rankings, colours, strict=True), 1):
        first = ranking.entries[:PLOTTED]
        errors = [entry.stderr for entry in first]
        bars = {"type": "data", "array": errors, "thickness": 1, "width": 0}
        figure.add_trace(
            go.Scatter(
                x=[entry.rank for entry in first],
                y=[entry.score for entry in first],
                error_y=bars if all(error is not None for error in errors) else None,
                mode="markers",
                marker={"color": colour, "size": 5},
                hovertemplate="rank %{x}<br>score %{y:.4g}<extra></extra>",
            ),
            row=row,
            col=1,
        )
    layout(figure, height)
    figure.update_annotations(x=0, xanchor="left", font={"size": 13, "color": MID_GREY})
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(nticks=4)
    figure.update_xaxes(title_text="rank", row=rows, col=1)
    return figure

"""How every figure of the page looks: its colours and its ground."""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go

from app.runs.selection import Strip

MID_GREY = "#8a857c"  # legible on paper and in the dark
GRID = "rgba(138,133,124,0.22)"
COLOURS = {
    "abu": "#c8501f",
    "abu-plus": "#a23a4e",
    "divergence": "#7d4fa0",
    "relative-divergence": "#9a6bd1",
    "distilled": "#b98ae0",
    "mucs": "#d0647a",
    "first-order": "#2f8f8a",
    "influence": "#9c6b2f",
    "relatif": "#8f9a3a",
    "trak": "#5b7f2f",
    "d-trak": "#d08a3a",
    "journey-trak": "#8c6d9e",
    "das": "#b0587f",
    "clip": "#3f7cac",
    "clip-tuned": "#6fa3cf",
    "clip-text": "#7a6fb0",
    "dino": "#3c8d6e",
    "dino-tuned": "#6fb89a",
    "pixel": "#a8842c",
    "bm25": "#5a63b8",
}
# When methods are alike: muted, so that none is taken for a method's.
OF_PARTS = ("#5d7388", "#b39b6d", "#71866b", "#a07d86", "#8b8fa8", "#6f5b4b")
LONGEST_TITLE = 40  # characters


def colours_of(shown: Sequence[Strip]) -> list[str]:
    """A colour each: the method's own, or the place's where they are all under one method."""
    names = [strip.method.name for strip in shown]
    if len(set(names)) < len(names):
        return [OF_PARTS[place % len(OF_PARTS)] for place in range(len(names))]
    return [COLOURS.get(name, MID_GREY) for name in names]


def styled(figure: go.Figure, height: int) -> go.Figure:
    """The figure itself, transparent and in mid-greys: right on paper and in the dark."""
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


def plain(title: str, longest: int = LONGEST_TITLE) -> str:
    """A title that is text and no longer than that: Plotly takes tags for markup."""
    return html.escape(title if len(title) < longest else f"{title[: longest - 2]}…")

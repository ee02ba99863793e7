"""Scores by rank, one row of the figure a method, with bars of one standard error."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from attribution.results import Ranking

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


def colour_of(method: str) -> str:
    return COLOURS.get(method, MID_GREY)


def score_plot(rankings: Mapping[str, Ranking]) -> go.Figure:
    """Each method's own unit on its own axis: scores of different methods cannot be compared."""
    titles = [ranking.title for ranking in rankings.values()]
    rows, height = max(len(titles), 1), 60 + 170 * max(len(titles), 1)
    figure = make_subplots(
        rows=rows,
        cols=1,
        shared_xaxes=True,
        subplot_titles=titles,
        vertical_spacing=44 / height if rows > 1 else 0,
    )
    for row, (name, ranking) in enumerate(rankings.items(), 1):
        shown = ranking.entries[:PLOTTED]
        errors = [entry.stderr for entry in shown]
        bars = {"type": "data", "array": errors, "thickness": 1, "width": 0}
        figure.add_trace(
            go.Scatter(
                x=[entry.rank for entry in shown],
                y=[entry.score for entry in shown],
                error_y=bars if all(error is not None for error in errors) else None,
                mode="markers",
                marker={"color": colour_of(name), "size": 5},
                name=ranking.title,
                # Plotly would take tags in a name for markup: ids only, which carry none.
                hovertemplate="rank %{x}<br>score %{y:.4g}<extra></extra>",
            ),
            row=row,
            col=1,
        )
    figure.update_layout(
        height=height,
        showlegend=False,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": MID_GREY, "size": 12, "family": "IBM Plex Sans, system-ui, sans-serif"},
        margin={"l": 56, "r": 12, "t": 28, "b": 44},
    )
    figure.update_annotations(x=0, xanchor="left", font={"size": 13, "color": MID_GREY})
    figure.update_xaxes(gridcolor=GRID, zeroline=False, linecolor=GRID, fixedrange=True, rangemode="tozero")
    figure.update_yaxes(gridcolor=GRID, zeroline=False, linecolor=GRID, fixedrange=True, nticks=4)
    figure.update_xaxes(title_text="rank", row=rows, col=1)
    return figure

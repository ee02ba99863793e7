"""Scores by rank, one row of the figure a strip, with bars of one standard error."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from app.charts.figures import MID_GREY, colours_of, styled
from app.runs.selection import Strip, answered
from attribution.results import Ranking

PLOTTED = 100  # ranks


def score_plot(shown: Sequence[Strip]) -> go.Figure | None:
    """Each ranking's own unit on its own axis: scores of different methods cannot be compared."""
    found = answered(shown)
    if not found:
        return None
    rows, height = len(found), 60 + 170 * len(found)
    figure = make_subplots(
        rows=rows,
        cols=1,
        shared_xaxes=True,
        subplot_titles=[html.escape(strip.title) for strip, _ in found],
        vertical_spacing=44 / height if rows > 1 else 0,
    )
    colours = colours_of([strip for strip, _ in found])
    for row, ((_, ranking), colour) in enumerate(zip(found, colours, strict=True), 1):
        figure.add_trace(_scores(ranking, colour), row=row, col=1)
    styled(figure, height)
    figure.update_annotations(x=0, xanchor="left", font={"size": 13, "color": MID_GREY})
    figure.update_xaxes(rangemode="tozero")
    figure.update_yaxes(nticks=4)
    figure.update_xaxes(title_text="rank", row=rows, col=1)
    return figure


def _scores(ranking: Ranking, colour: str) -> go.Scatter:
    scores, bars = ranking.scores[:PLOTTED].tolist(), None
    if ranking.stderr is not None:
        bars = {"type": "data", "array": ranking.stderr[:PLOTTED].tolist(), "thickness": 1, "width": 0}
    return go.Scatter(
        x=list(range(1, len(scores) + 1)),
        y=scores,
        error_y=bars,
        mode="markers",
        marker={"color": np.where(ranking.sure[:PLOTTED], colour, MID_GREY).tolist(), "size": 5},
        hovertemplate="rank %{x}<br>score %{y:.4g}<extra></extra>",
    )

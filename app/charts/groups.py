"""Influence by group as bars with their intervals: whose images, which collection, which object."""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go

from app.charts.figures import MID_GREY, colours_of, styled
from app.runs.selection import Strip
from attribution.analysis.groups import Group, grouped, largest
from attribution.data.training_set import TrainingSet

TOP = 20  # ranks that are counted
MOST = 24  # bars
SUM, SHARE = "sum", "share"  # what a bar measures
FIELDS = {SUM: ("summed", "summed_low", "summed_high"), SHARE: ("share", "share_low", "share_high")}


def group_plot(strip: Strip, training_set: TrainingSet, column: str, measure: str) -> go.Figure:
    """Horizontal bars, the largest on top, with their intervals."""
    assert strip.ranking is not None
    measure = SHARE if measure == SHARE else SUM
    groups = grouped(strip.ranking, training_set, column, TOP)
    shown = largest(groups, MOST, FIELDS[measure][0])
    shown = [group for group in shown if measure == SUM or group.first] or shown
    figure = styled(go.Figure(), height=90 + 30 * len(shown))
    figure.add_trace(_bars(shown, measure, colours_of([strip])[0]))
    if measure == SHARE:
        figure.add_trace(_chance(shown))
        figure.update_xaxes(tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False)
    figure.update_layout(bargap=0.35)
    return figure


def _bars(shown: Sequence[Group], measure: str, colour: str) -> go.Bar:
    value, low, high = ([getattr(group, name) for group in shown] for name in FIELDS[measure])
    return go.Bar(
        x=value,
        y=[_name(group) for group in shown],
        orientation="h",
        marker={"color": colour, "opacity": 0.85},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [h - v for h, v in zip(high, value, strict=True)],
            "arrayminus": [v - x for v, x in zip(value, low, strict=True)],
            "color": MID_GREY,
            "thickness": 1.2,
            "width": 4,
        },
        customdata=[[group.first, group.images] for group in shown],
        hovertemplate=f"%{{x:.3g}}<br>%{{customdata[0]}} of the first {TOP}<br>"
        "%{customdata[1]} images ranked<extra></extra>",
    )


def _chance(shown: Sequence[Group]) -> go.Scatter:
    """The tick that says what each group's share of the training set is."""
    return go.Scatter(
        x=[group.base for group in shown],
        y=[_name(group) for group in shown],
        mode="markers",
        marker={"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": MID_GREY}},
        hovertemplate="%{x:.1%} of the training set<extra></extra>",
    )


def _name(group: Group) -> str:
    name = group.value if len(group.value) <= 28 else f"{group.value[:27]}…"
    return html.escape(name)

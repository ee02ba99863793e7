"""Influence by group: whose images, which collection, which object."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr
import plotly.graph_objects as go

from app.charts.scores import MID_GREY, colours_of, layout
from app.runs.selection import Strip
from attribution.analysis.groups import Group, grouped, largest
from attribution.data.training_set import TrainingSet
from attribution.results import Ranking

TOP = 20
MOST = 24  # bars
SUM, SHARE = "sum", "share"


@dataclass(frozen=True)
class Groups:
    """The panel's components."""

    column: gr.Dropdown
    of: gr.Dropdown
    measure: gr.Radio
    plot: gr.Plot
    words: gr.HTML


def build_groups(columns: Sequence[str]) -> Groups:
    with gr.Row(elem_id="groups-by"):
        column = gr.Dropdown(
            [(_title(name), name) for name in columns],
            value=next(iter(columns), None),
            label="Group by",
            elem_id="group-column",
            min_width=0,
            filterable=False,
        )
        of = gr.Dropdown([], label="Ranking", elem_id="group-of", min_width=0, filterable=False)
        measure = gr.Radio(
            [("Summed score", SUM), (f"First {TOP}", SHARE)],
            value=SHARE,
            label="Show",
            elem_id="group-measure",
            min_width=0,
        )
    words = gr.HTML(
        group_words(None, SHARE), apply_default_css=False, elem_id="groups-words", js_on_load=None
    )
    plot = gr.Plot(show_label=False, container=False, elem_id="groups-plot", visible=False)
    return Groups(column, of, measure, plot, words)


def _title(column: str) -> str:
    return column.replace("_", " ").capitalize()


def group_words(ranking: Ranking | None, measure: str) -> str:
    """What the bars are, in a sentence or two."""
    if ranking is None:
        words = "Once there is an answer, it can be summed by any column of the training set's metadata."
    elif measure == SHARE:
        words = (
            f"How many of the first {min(TOP, len(ranking.entries))} images have the value, with a 95% "
            "interval (Wilson). The tick is what chance would give: its share of all "
            f"{len(ranking.entries):,} images that were ranked."
        )
    else:
        words = (
            f"The sum of the scores of the {len(ranking.entries):,} images that were ranked, with a 95% "
            "interval (bootstrap over images, and the scores' own errors). Large groups have large sums; "
            "sums of similarities mean little, sums of rises in loss are influence."
        )
    return f'<p class="groups-words">{html.escape(words)}</p>'


def group_plot(strip: Strip, training_set: TrainingSet, column: str, measure: str) -> go.Figure:
    """Horizontal bars, the largest on top, with their intervals."""
    assert strip.ranking is not None
    groups = grouped(strip.ranking, training_set, column, TOP)
    shown = largest(groups, MOST, "share" if measure == SHARE else "summed")
    shown = [group for group in shown if measure == SUM or group.first] or shown
    figure = layout(go.Figure(), height=90 + 30 * len(shown))
    names = [_short(group) for group in shown]
    value, low, high = (
        [getattr(group, name) for group in shown]
        for name in (("share", "share_low", "share_high") if measure == SHARE else _SUMMED)
    )
    figure.add_trace(
        go.Bar(
            x=value,
            y=names,
            orientation="h",
            marker={"color": colours_of([strip])[0], "opacity": 0.85},
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
    )
    if measure == SHARE:
        figure.add_trace(
            go.Scatter(
                x=[group.base for group in shown],
                y=names,
                mode="markers",
                marker={"symbol": "line-ns", "size": 16, "line": {"width": 2, "color": MID_GREY}},
                hovertemplate="%{x:.1%} of those ranked<extra></extra>",
            )
        )
        figure.update_xaxes(tickformat=".0%", rangemode="tozero")
    figure.update_yaxes(autorange="reversed", automargin=True, showgrid=False)
    figure.update_layout(bargap=0.35)
    return figure


_SUMMED = ("summed", "summed_low", "summed_high")


def _short(group: Group) -> str:
    name = group.value if len(group.value) <= 28 else f"{group.value[:27]}…"
    return html.escape(name)

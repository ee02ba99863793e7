"""Rankings against each other: how many images they share, who ranks what where, and chance."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import gradio as gr
import numpy as np
import plotly.graph_objects as go

from app.charts.scores import GRID, MID_GREY, colours_of, layout
from app.frontend.assets import script
from app.runs.selection import Strip
from attribution.analysis.significance import BINS, Null
from attribution.results import Ranking

TOP = 20  # ranks whose overlap is counted
PLOTTED = 300  # first ranks of either side that the plot of ranks shows
NOTHING = "Ask with two methods, or about two parts, to see them against each other."


@dataclass(frozen=True)
class Compare:
    """The panel's components."""

    overlap: gr.HTML
    across: gr.Dropdown
    along: gr.Dropdown
    ranks: gr.Plot
    click: gr.HTML
    chance: gr.Plot


def build_compare() -> Compare:
    overlap = gr.HTML(overlap_table([]), apply_default_css=False, elem_id="overlap", js_on_load=None)
    with gr.Row(elem_id="ranks-of"):
        across = gr.Dropdown([], label="Rank under", elem_id="ranks-across", min_width=0, filterable=False)
        along = gr.Dropdown([], label="against", elem_id="ranks-along", min_width=0, filterable=False)
    ranks = gr.Plot(show_label=False, container=False, elem_id="ranks-plot", visible=False)
    click = gr.HTML(
        None,
        html_template="<span></span>",
        js_on_load=script("ranks.js"),
        apply_default_css=False,
        elem_id="ranks-click",
    )
    chance = gr.Plot(show_label=False, container=False, elem_id="chance-plot", visible=False)
    return Compare(overlap, across, along, ranks, click, chance)


def answered(shown: Sequence[Strip]) -> list[tuple[Strip, Ranking]]:
    """The strips that have something to compare."""
    return [(strip, strip.ranking) for strip in shown if strip.ranking is not None]


def overlap(one: Ranking, other: Ranking, top: int = TOP) -> int:
    """How many of one ranking's first images are among the other's first."""
    first = {entry.id for entry in one.entries[:top]}
    return len(first & {entry.id for entry in other.entries[:top]})


def rank_agreement(one: Ranking, other: Ranking) -> float | None:
    """Spearman's correlation over the images that both have ranked; None for fewer than three."""
    places = {entry.id: entry.rank for entry in other.entries}
    pairs = np.array([(e.rank, places[e.id]) for e in one.entries if e.id in places], dtype=float)
    if len(pairs) < 3:
        return None
    one_side, other_side = pairs.argsort(axis=0).argsort(axis=0).T
    correlation: np.ndarray = np.corrcoef(one_side, other_side)
    return float(correlation[0, 1])


def overlap_table(shown: Sequence[Strip]) -> str:
    """Of every pair, how many of the first ranks they share, and how their orders agree."""
    found = answered(shown)
    if len(found) < 2:
        return f'<p class="nothing">{NOTHING}</p>'
    rows = "".join(_pair(*one, *other) for one, other in combinations(found, 2))
    return (
        f'<table class="overlap"><caption>How far they agree</caption><thead><tr><th scope="col">Pair</th>'
        f'<th scope="col">Shared of the first {TOP}</th>'
        '<th scope="col" title="Spearman\'s correlation over the images that both have ranked">'
        f"Order</th></tr></thead><tbody>{rows}</tbody></table>"
    )


def _pair(one: Strip, ranking: Ranking, other: Strip, another: Ranking) -> str:
    shared, agreement = overlap(ranking, another), rank_agreement(ranking, another)
    both = {e.id for e in ranking.entries} & {e.id for e in another.entries}
    title = f"{html.escape(one.title)} <span>and</span> {html.escape(other.title)}"
    order = "too few in common" if agreement is None else f"{agreement:+.2f}".replace("-", "\N{MINUS SIGN}")
    return (
        f'<tr><th scope="row">{title}</th><td><span class="share"><span class="share-fill" '
        f'style="width:{100 * shared / TOP:.0f}%"></span></span>{shared}</td>'
        f"<td>{order} <small>over {len(both):,}</small></td></tr>"
    )


def rank_plot(one: Strip, other: Strip) -> go.Figure:
    """Each image that both have ranked, by its rank under each; pressing a point opens the image."""
    assert one.ranking is not None
    assert other.ranking is not None
    places = {entry.id: entry.rank for entry in other.ranking.entries}
    both = [(e.id, e.rank, places[e.id]) for e in one.ranking.entries if e.id in places]
    near = [point for point in both if min(point[1:]) <= PLOTTED]
    figure = layout(go.Figure(), height=440)
    for first, size in ((False, 5), (True, 8)):
        points = [point for point in near if (min(point[1:]) <= TOP) is first]
        figure.add_trace(
            go.Scatter(
                x=[across for _, across, _ in points],
                y=[along for _, _, along in points],
                customdata=[example for example, _, _ in points],
                mode="markers",
                marker={
                    "color": colours_of([one, other])[0] if first else MID_GREY,
                    "size": size,
                    "opacity": 0.9 if first else 0.45,
                },
                hovertemplate="rank %{x} and %{y}<extra></extra>",
            )
        )
    last = max([max(across, along) for _, across, along in near], default=10)
    figure.add_shape(
        type="line", x0=1, y0=1, x1=last, y1=last, line={"color": MID_GREY, "width": 1, "dash": "dot"}
    )
    ticks = {"type": "log", "tickvals": [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]}
    figure.update_xaxes(title_text=f"rank · {_plain(one.title)}", **ticks)
    figure.update_yaxes(title_text=f"rank · {_plain(other.title)}", **ticks)
    return figure


def chance_plot(shown: Sequence[Strip], null: Null | None) -> go.Figure | None:
    """The share of a ranking's images beyond each z, and that of pairs which have nothing in common."""
    judged = [
        (strip, ranking)
        for strip, ranking in answered(shown)
        if any(entry.z is not None for entry in ranking.entries)
    ]
    if not judged or null is None:
        return None
    figure = layout(go.Figure(), height=320)
    edges, beyond = BINS[:-1], null.histogram[::-1].cumsum()[::-1]
    figure.add_trace(
        go.Scatter(
            x=edges, y=beyond, mode="lines", fill="tozeroy", name="by chance",
            line={"color": MID_GREY, "width": 1, "shape": "hv"}, fillcolor=GRID,
            hovertemplate="%{y:.2%} of unrelated pairs beyond z = %{x:.1f}<extra></extra>",
        )
    )  # fmt: skip
    for (strip, ranking), colour in zip(judged, colours_of([s for s, _ in judged]), strict=True):
        z = np.sort([entry.z for entry in ranking.entries if entry.z is not None])
        figure.add_trace(
            go.Scatter(
                x=z, y=np.arange(len(z), 0, -1) / len(z), mode="lines", name=_plain(strip.title),
                line={"color": colour, "width": 2, "shape": "vh"},
                hovertemplate="%{y:.2%} of those ranked beyond z = %{x:.1f}<extra></extra>",
            )
        )  # fmt: skip
    figure.add_vline(x=null.threshold, line={"color": MID_GREY, "width": 1.5, "dash": "dash"})
    figure.add_annotation(
        x=null.threshold, y=1, yref="paper", text="stands out \N{RIGHTWARDS ARROW}", showarrow=False,
        xanchor="left", yanchor="top", font={"color": MID_GREY, "size": 12},
    )  # fmt: skip
    figure.update_layout(showlegend=True)
    last = max(entry.z for _, ranking in judged for entry in ranking.entries if entry.z is not None)
    figure.update_xaxes(
        title_text="z: standard deviations from what unrelated pictures score",
        range=[BINS[0], max(last, null.threshold) + 1],
    )
    figure.update_yaxes(
        title_text="share beyond", type="log", range=[-5.2, 0.1], tickvals=[1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1],
        ticktext=["0.001%", "0.01%", "0.1%", "1%", "10%", "100%"],
    )  # fmt: skip
    return figure


def _plain(title: str) -> str:
    """Plotly takes tags for markup."""
    return html.escape(title if len(title) < 40 else f"{title[:38]}…")

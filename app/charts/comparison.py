"""Rankings against each other, rank by rank, and against what chance would give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from app.charts.figures import GRID, MID_GREY, colours_of, plain, styled
from app.runs.selection import Strip, answered
from attribution.analysis.significance import BINS
from attribution.results import Ranking

TOP = 20  # ranks that stand out of the plot
PLOTTED = 300  # first ranks of either side that the plot of ranks shows
TICKS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]
Point = tuple[str, int, int]  # a training image's id, and its rank under either strip


def rank_plot(one: Strip, other: Strip) -> go.Figure:
    """Each image that both have ranked, by its rank under each; pressing a point opens the image."""
    assert one.ranking is not None
    assert other.ranking is not None
    near = _near(one.ranking, other.ranking)
    figure = styled(go.Figure(), height=440)
    figure.add_trace(_points([p for p in near if min(p[1:]) > TOP], MID_GREY, size=5, opacity=0.45))
    first = [p for p in near if min(p[1:]) <= TOP]
    figure.add_trace(_points(first, colours_of([one, other])[0], size=8, opacity=0.9))
    last = max([max(across, along) for _, across, along in near], default=10)
    figure.add_shape(
        type="line", x0=1, y0=1, x1=last, y1=last, line={"color": MID_GREY, "width": 1, "dash": "dot"}
    )
    figure.update_xaxes(title_text=f"rank · {plain(one.title)}", type="log", tickvals=TICKS)
    figure.update_yaxes(title_text=f"rank · {plain(other.title)}", type="log", tickvals=TICKS)
    return figure


def _near(one: Ranking, other: Ranking) -> list[Point]:
    """What both have ranked and either among its first ranks, in the order of the one."""
    first = {ranking.training_set.ids[row] for ranking in (one, other) for row in ranking.rows[:PLOTTED]}
    ranks = [(example_id, one.rank_of(example_id), other.rank_of(example_id)) for example_id in first]
    both = [(name, x, y) for name, x, y in ranks if x is not None and y is not None]
    return sorted(both, key=lambda point: point[1])


def _points(points: Sequence[Point], colour: str, size: int, opacity: float) -> go.Scatter:
    return go.Scatter(
        x=[across for _, across, _ in points],
        y=[along for _, _, along in points],
        customdata=[example for example, _, _ in points],
        mode="markers",
        marker={"color": colour, "size": size, "opacity": opacity},
        hovertemplate="rank %{x} and %{y}<extra></extra>",
    )


def chance_plot(shown: Sequence[Strip]) -> go.Figure | None:
    """The share of training images beyond each z, and that of pairs which have nothing in common.

    Methods have nulls of their own, and levels beyond which an image stands out.
    """
    judged = [(s, r) for s, r in answered(shown) if r.z is not None and "by_chance" in r.details]
    if not judged:
        return None
    figure, nulls = styled(go.Figure(), height=320), list[tuple[str, float]]()
    for (strip, ranking), colour in zip(judged, colours_of([s for s, _ in judged]), strict=True):
        threshold = float(ranking.details["z_threshold"])
        if (strip.method.name, threshold) not in nulls:
            nulls.append((strip.method.name, threshold))
            figure.add_trace(_by_chance(strip, ranking, colour))
            figure.add_vline(x=threshold, line={"color": colour, "width": 1.5, "dash": "dash"})
        figure.add_trace(_beyond(strip, ranking, colour))
    first = min(threshold for _, threshold in nulls)
    figure.add_annotation(
        x=first, y=1, yref="paper", text="stands out \N{RIGHTWARDS ARROW}", showarrow=False,
        xanchor="left", yanchor="top", font={"color": MID_GREY, "size": 12},
    )  # fmt: skip
    figure.update_layout(showlegend=True)
    last = max(float(ranking.z.max()) for _, ranking in judged if ranking.z is not None)
    figure.update_xaxes(
        title_text="z: standard deviations from what unrelated pictures score",
        range=[BINS[0], max(last, *(threshold for _, threshold in nulls)) + 1],
    )
    figure.update_yaxes(
        title_text="share beyond", type="log", range=[-5.2, 0.1], tickvals=[1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1],
        ticktext=["0.001%", "0.01%", "0.1%", "1%", "10%", "100%"],
    )  # fmt: skip
    return figure


def _by_chance(strip: Strip, ranking: Ranking, colour: str) -> go.Scatter:
    return go.Scatter(
        x=BINS[:-1],
        y=np.array(ranking.details["by_chance"])[::-1].cumsum()[::-1],
        mode="lines",
        fill="tozeroy",
        name=f"{plain(strip.method.title)}, by chance",
        line={"color": colour, "width": 1, "shape": "hv", "dash": "dot"},
        fillcolor=GRID,
        hovertemplate="%{y:.2%} of unrelated pairs beyond z = %{x:.1f}<extra></extra>",
    )


def _beyond(strip: Strip, ranking: Ranking, colour: str) -> go.Scatter:
    """Of the whole training set: what was picked for being promising would always lie beyond chance."""
    assert ranking.z is not None
    return go.Scatter(
        x=np.sort(ranking.z),
        y=np.arange(len(ranking), 0, -1) / len(ranking.training_set),
        mode="lines",
        name=plain(strip.title),
        line={"color": colour, "width": 2, "shape": "vh"},
        hovertemplate="%{y:.2%} of the training set beyond z = %{x:.1f}<extra></extra>",
    )

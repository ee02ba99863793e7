"""The panel that shows rankings against each other: their overlap, their ranks, and chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.charts.comparison import chance_plot, rank_plot
from app.frontend.assets import script
from app.panels.updates import Updates, figure_update, html_panel
from app.runs.selection import Strip, answered
from app.views.comparison import overlap_table


@dataclass(frozen=True)
class ComparisonPanel:
    """The panel's components."""

    overlap: gr.HTML
    across: gr.Dropdown
    along: gr.Dropdown
    ranks: gr.Plot
    click: gr.HTML
    chance: gr.Plot

    def outputs(self) -> list[Any]:
        """Every component that the updates below speak of."""
        return [self.overlap, self.across, self.along, self.ranks, self.chance]

    def empty(self) -> Updates:
        """There is nothing to compare yet."""
        return {
            self.overlap: overlap_table([]),
            self.across: gr.update(choices=[], value=None),
            self.along: gr.update(choices=[], value=None),
            self.ranks: figure_update(None),
            self.chance: figure_update(None),
        }

    def whole(self, shown: Sequence[Strip]) -> Updates:
        """Every pair in the table, the first two rank by rank, and all against chance."""
        return {
            self.overlap: overlap_table(shown),
            self.chance: figure_update(chance_plot(shown)),
            **self.pair(shown, None, None),
        }

    def pair(self, shown: Sequence[Strip], across: str | None, along: str | None) -> Updates:
        """The plot of two strips' ranks, by their keys; the first two if none are named."""
        by_key = {strip.key: strip for strip, _ in answered(shown)}
        choices = [(strip.title, key) for key, strip in by_key.items()]
        keys = list(by_key)
        across = across if across in by_key else next(iter(keys), None)
        along = along if along in by_key else next((key for key in keys if key != across), None)
        plot = None if across is None or along is None else rank_plot(by_key[across], by_key[along])
        return {
            self.across: gr.update(choices=choices, value=across),
            self.along: gr.update(choices=choices, value=along),
            self.ranks: figure_update(plot),
        }


def build_comparison() -> ComparisonPanel:
    """The table of overlaps, the plot of ranks with its two choices, and the plot of chance."""
    overlap = html_panel(overlap_table([]), "overlap")
    with gr.Row(elem_id="ranks-of"):
        across = gr.Dropdown([], label="Rank under", elem_id="ranks-across", min_width=0, filterable=False)
        along = gr.Dropdown([], label="against", elem_id="ranks-along", min_width=0, filterable=False)
    ranks = gr.Plot(show_label=False, container=False, elem_id="ranks-plot", visible=False)
    click = html_panel(None, "ranks-click", script("ranks.js"), html_template="<span></span>")
    chance = gr.Plot(show_label=False, container=False, elem_id="chance-plot", visible=False)
    return ComparisonPanel(overlap, across, along, ranks, click, chance)

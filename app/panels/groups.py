"""The panel that shows influence by group: whose images, which collection, which object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.charts.groups import SHARE, SUM, TOP, group_plot
from app.panels.updates import Updates, figure_update, html_panel
from app.runs.selection import Strip, answered
from app.views.groups import group_words
from attribution.analysis.groups import columns_of
from attribution.data.training_set import TrainingSet


@dataclass(frozen=True)
class GroupsPanel:
    """The panel's components."""

    column: gr.Dropdown
    of: gr.Dropdown
    measure: gr.Radio
    plot: gr.Plot
    words: gr.HTML

    def outputs(self) -> list[Any]:
        """Every component that the updates below speak of."""
        return [self.of, self.words, self.plot]

    def empty(self) -> Updates:
        """There is nothing to sum yet."""
        return {
            self.of: gr.update(choices=[], value=None),
            self.words: group_words(None, SHARE),
            self.plot: figure_update(None),
        }

    def whole(
        self,
        shown: Sequence[Strip],
        training_set: TrainingSet,
        of: str | None = None,
        column: str | None = None,
        measure: str = SHARE,
    ) -> Updates:
        """One strip's influence by group, by its key; the first if none is named."""
        by_key = {strip.key: strip for strip, _ in answered(shown)}
        of = of if of in by_key else next(iter(by_key), None)
        columns = columns_of(training_set)
        column = column if column in columns else next(iter(columns), None)
        plot = None
        if of is not None and column is not None:
            plot = group_plot(by_key[of], training_set, column, measure)
        return {
            self.of: gr.update(choices=[(s.title, key) for key, s in by_key.items()], value=of),
            self.words: group_words(by_key[of].ranking if of is not None else None, measure),
            self.plot: figure_update(plot),
        }


def build_groups(columns: Sequence[str]) -> GroupsPanel:
    """The choices of column, ranking and measure, and below them what they show."""
    with gr.Row(elem_id="groups-by"):
        column = gr.Dropdown(
            [(name.replace("_", " ").capitalize(), name) for name in columns],
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
    words = html_panel(group_words(None, SHARE), "groups-words")
    plot = gr.Plot(show_label=False, container=False, elem_id="groups-plot", visible=False)
    return GroupsPanel(column, of, measure, plot, words)

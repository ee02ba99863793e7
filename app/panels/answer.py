"""The panel of answers: the results grid, how rankings compare, by group, and the files to take away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.charts.scores import score_plot
from app.frontend.assets import script
from app.panels.comparison import ComparisonPanel, build_comparison
from app.panels.counterfactual import CounterfactualPanel, build_counterfactual
from app.panels.groups import GroupsPanel, build_groups
from app.panels.history import build_history, history_message
from app.panels.updates import Updates, figure_update, html_panel
from app.runs.export import write_csv, write_json
from app.runs.run import Run
from app.runs.selection import METHODS, PARTS, Selection, strips, warnings_of
from app.runs.truth import Truth
from app.views.finding import finding_view
from app.views.guide import GUIDE
from app.views.results_grid import empty_results_grid, results_grid
from app.views.stale import stale_answer
from attribution.methods.base import method
from attribution.query import Box
from attribution.workspace.workspace import Workspace


@dataclass(frozen=True)
class SelectionPanel:
    """The switch above the strips: what stands side by side."""

    beside: gr.Radio
    part: gr.Radio
    method: gr.Radio

    def outputs(self) -> list[Any]:
        """Every component that the updates below speak of."""
        return [self.beside, self.part, self.method]

    def empty(self) -> Updates:
        """There is nothing to choose from."""
        return {
            self.beside: gr.update(value=METHODS, interactive=False),
            self.part: gr.update(visible=False),
            self.method: gr.update(visible=False),
        }

    def whole(self, run: Run, selection: Selection, earlier: bool) -> Updates:
        """What can be chosen of a run. `earlier`: another run stands beside it."""
        several = len(run.parts) > 1
        return {
            self.beside: gr.update(value=selection.beside, interactive=several or earlier),
            self.part: gr.update(
                choices=[(part.title, str(number)) for number, part in enumerate(run.parts)],
                value=str(min(selection.part, len(run.parts) - 1)),
                visible=several and selection.beside == METHODS,
            ),
            self.method: gr.update(
                choices=[(method(name).title, name) for name in run.methods],
                value=selection.method if selection.method in run.methods else run.methods[0],
                visible=selection.beside == PARTS,
            ),
        }


@dataclass(frozen=True)
class DownloadsPanel:
    """The files to take away."""

    report: gr.DownloadButton
    json: gr.DownloadButton
    csv: gr.DownloadButton

    def outputs(self) -> list[Any]:
        """Every component that the updates below speak of."""
        return [self.report, self.json, self.csv]

    def empty(self) -> Updates:
        """There is nothing to take away."""
        return {each: gr.update(value=None, interactive=False) for each in self.outputs()}

    def whole(self, run: Run, current: bool) -> Updates:
        """The tables, if every part is answered; the report comes once the run is kept.

        Args:
            current: the run answers what is marked now; otherwise there is nothing to take away.
        """
        if not run.answered:
            return {each: gr.update(value=None, interactive=False) for each in (self.json, self.csv)}
        return {
            self.json: gr.update(value=str(write_json(run)), interactive=current),
            self.csv: gr.update(value=str(write_csv(run)), interactive=current),
        }


@dataclass(frozen=True)
class AnswerPanel:
    """The panel's components, and the panels in it."""

    selection: SelectionPanel
    grid: gr.HTML
    plot: gr.Plot
    comparison: ComparisonPanel
    groups: GroupsPanel
    counterfactual: CounterfactualPanel
    history: gr.HTML
    downloads: DownloadsPanel
    training_image: gr.HTML
    stale: gr.HTML
    finding: gr.HTML
    truth: Truth | None

    def outputs(self) -> list[Any]:
        """Every component that the updates below speak of."""
        return [
            *self.selection.outputs(), self.stale, self.finding, self.grid, self.plot, self.history,
            *self.downloads.outputs(),
            *self.comparison.outputs(), *self.groups.outputs(), *self.counterfactual.outputs(),
        ]  # fmt: skip

    def empty(self, mosaic: Sequence[int], kept: Mapping[str, str]) -> Updates:
        """The invitation, and nothing to compare. `kept`: runs that the browser's list must have."""
        return {**self.nothing_yet(kept), self.grid: empty_results_grid(mosaic)}

    def nothing_yet(self, kept: Mapping[str, str]) -> Updates:
        """All but the results grid as before an answer."""
        return {
            **self.selection.empty(),
            self.stale: "",
            self.finding: finding_view(None),
            self.plot: figure_update(None),
            self.history: history_message("away", kept),
            **self.downloads.empty(),
            **self.comparison.empty(),
            **self.groups.empty(),
            **self.counterfactual.empty(),
        }

    def of_question(self, run: Run | None, boxes: Sequence[Box], caption: str | None) -> Updates:
        """Whether what is shown answers what is marked now; `caption` as `is_stale` takes it."""
        words = stale_answer(run, boxes, caption)
        there = run is not None and run.answered and not words
        return {
            self.stale: words,
            **{each: gr.update(interactive=there) for each in self.downloads.outputs()},
        }

    def settling(self, run: Run, selection: Selection, earlier: Mapping[str, Run]) -> Updates:
        """The strips as far as they are there."""
        return self.board(run, selection, earlier, waiting=True)

    def board(
        self, run: Run, selection: Selection, earlier: Mapping[str, Run], waiting: bool = False
    ) -> Updates:
        """The strips alone, as far as they are looked at. `waiting`: answers are still on their way."""
        shown, warnings = strips(run, selection, earlier), warnings_of(run, selection)
        view = results_grid(
            shown, warnings, waiting, selection.most, selection.only_out, self.truth, selection.truth
        )
        return {self.grid: view}

    def whole(
        self, workspace: Workspace, run: Run, selection: Selection, earlier: Mapping[str, Run],
        current: bool = True, **grouped_by: Any,
    ) -> Updates:  # fmt: skip
        """Everything that can be seen of a run that has ended, stopped short or not.

        Args:
            current: as `DownloadsPanel.whole` takes it.
            grouped_by: `column` and `measure` of the panel of groups, where they were chosen.
        """
        shown = strips(run, selection, earlier)
        return {
            **self.selection.whole(run, selection, bool(earlier)),
            self.finding: finding_view(run),
            **self.board(run, selection, earlier),
            self.plot: figure_update(score_plot(shown)),
            **self.downloads.whole(run, current),
            **self.comparison.whole(shown),
            **self.counterfactual.whole(run, shown),
            **self.groups.whole(shown, workspace.training_set, **grouped_by),
        }


def build_answer(mosaic: Sequence[int], columns: Sequence[str], truth: Truth | None = None) -> AnswerPanel:
    """The switch, the downloads, a tab for every way of looking at an answer, and the dialog.

    Args:
        truth: what the true answer is, where it is known of the model.
    """
    with gr.Column(elem_id="answer-box"):
        stale = html_panel("", "stale", script("parts.js"))
        finding = html_panel("", "finding")
        selection = _build_selection()
        with gr.Column(elem_id="panels", min_width=0):
            with gr.Row(elem_id="take-away"):
                history = build_history()
                downloads = DownloadsPanel(*map(_download, ("Report", "JSON", "CSV")))
            with gr.Tabs(elem_id="answer"):
                with gr.Tab("Training images", id="board"):
                    grid = html_panel(empty_results_grid(mosaic), "board", script("board.js"))
                with gr.Tab("Compare", id="compare"):
                    comparison = build_comparison()
                with gr.Tab("Groups", id="groups"):
                    groups = build_groups(columns)
                with gr.Tab("Prove it", id="proof"):
                    counterfactual = build_counterfactual()
                with gr.Tab("Scores", id="scores"):
                    plot = gr.Plot(show_label=False, container=False, elem_id="plot", visible=False)
                with gr.Tab("How to read this", id="guide"):
                    html_panel(GUIDE)
    detail = html_panel(None, "detail", script("detail.js"), html_template="<span></span>")
    return AnswerPanel(
        selection, grid, plot, comparison, groups, counterfactual, history, downloads, detail, stale,
        finding, truth,
    )  # fmt: skip


def _build_selection() -> SelectionPanel:
    with gr.Row(elem_id="view"):
        beside = gr.Radio(
            [("Methods on one part", METHODS), ("Parts under one method", PARTS)],
            value=METHODS,
            label="Side by side",
            elem_id="beside",
            min_width=0,
            interactive=False,
        )
        part = gr.Radio([], label="Part", elem_id="shown-part", min_width=0, visible=False)
        chosen = gr.Radio([], label="Method", elem_id="shown-method", min_width=0, visible=False)
    return SelectionPanel(beside, part, chosen)


def _download(title: str) -> gr.DownloadButton:
    return gr.DownloadButton(
        title, size="sm", interactive=False, min_width=0, elem_id=f"download-{title.lower()}"
    )

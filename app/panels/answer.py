"""The panel of answers: the strips, how they compare, by group, and the files to take away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.charts.scores import score_plot
from app.charts.scores import shown as plotted
from app.frontend.assets import script
from app.panels.comparison import Compare, answered, build_compare, chance_plot, overlap_table, rank_plot
from app.panels.counterfactual import Prove, build_proof
from app.panels.groups import SHARE, Groups, build_groups, group_plot, group_words
from app.panels.history import build_history, told
from app.runs.export import write_csv, write_json
from app.runs.run import Run
from app.runs.selection import METHODS, PARTS, Shown, Strip, strips
from app.views.guide import GUIDE
from app.views.results_grid import board, empty_board
from attribution.analysis.groups import columns_of
from attribution.analysis.significance import CONTROLS
from attribution.methods.base import method
from attribution.workspace.workspace import Workspace

View = dict[Any, Any]  # component => what it shows from now on


@dataclass(frozen=True)
class Answer:
    """The panel's components."""

    beside: gr.Radio
    part: gr.Radio
    method: gr.Radio
    board: gr.HTML
    plot: gr.Plot
    compare: Compare
    groups: Groups
    proof: Prove
    history: gr.HTML
    report: gr.DownloadButton
    json: gr.DownloadButton
    csv: gr.DownloadButton
    detail: gr.HTML

    def outputs(self) -> list[Any]:
        """Every component that the views below speak of."""
        return [
            self.beside, self.part, self.method, self.board, self.plot, self.history, self.report,
            self.json, self.csv,
            *self.compared(), *self.grouped(), *self.proof.outputs(),
        ]  # fmt: skip

    def compared(self) -> list[Any]:
        compare = self.compare
        return [compare.overlap, compare.across, compare.along, compare.ranks, compare.chance]

    def grouped(self) -> list[Any]:
        return [self.groups.of, self.groups.words, self.groups.plot]

    def empty(self, mosaic: Sequence[int]) -> View:
        """The invitation, and nothing to compare."""
        return {**self.nothing_yet(), self.board: empty_board(mosaic)}

    def nothing_yet(self) -> View:
        """All but the board as before an answer."""
        return {
            self.beside: gr.update(value=METHODS, interactive=False),
            self.part: gr.update(visible=False),
            self.method: gr.update(visible=False),
            self.plot: plotted(None),
            self.history: told("away"),
            self.report: gr.update(value=None, interactive=False),
            self.json: gr.update(value=None, interactive=False),
            self.csv: gr.update(value=None, interactive=False),
            self.compare.overlap: overlap_table([]),
            self.compare.across: gr.update(choices=[], value=None),
            self.compare.along: gr.update(choices=[], value=None),
            self.compare.ranks: plotted(None),
            self.compare.chance: plotted(None),
            self.groups.of: gr.update(choices=[], value=None),
            self.groups.words: group_words(None, SHARE),
            self.groups.plot: plotted(None),
            **self.proof.empty(),
        }

    def settling(self, run: Run, view: Shown, earlier: Mapping[str, Run]) -> View:
        """The strips as far as they are there."""
        return {self.board: board(strips(run, view, earlier), _warnings(run, view), waiting=True)}

    def whole(
        self, workspace: Workspace, run: Run, view: Shown, earlier: Mapping[str, Run],
        column: str | None = None, measure: str = SHARE,
    ) -> View:  # fmt: skip
        """Everything that can be seen of a run that has ended, stopped short or not."""
        shown = strips(run, view, earlier)
        null = workspace.load(CONTROLS) if workspace.has(CONTROLS) else None
        ended = run.answered
        return {
            **self._sides(run, view, bool(earlier)),
            self.board: board(shown, _warnings(run, view)),
            self.plot: plotted(score_plot(shown)),
            self.json: gr.update(value=str(write_json(run)) if ended else None, interactive=ended),
            self.csv: gr.update(value=str(write_csv(run)) if ended else None, interactive=ended),
            self.compare.overlap: overlap_table(shown),
            self.compare.chance: plotted(chance_plot(shown, null)),
            **self.ranks(shown, None, None),
            **self.proof.ready(run, shown),
            **self.by_group(workspace, shown, None, column, measure),
        }

    def _sides(self, run: Run, view: Shown, earlier: bool) -> View:
        several = len(run.parts) > 1
        return {
            self.beside: gr.update(value=view.beside, interactive=several or earlier),
            self.part: gr.update(
                choices=[(part.title, str(number)) for number, part in enumerate(run.parts)],
                value=str(min(view.part, len(run.parts) - 1)),
                visible=several and view.beside == METHODS,
            ),
            self.method: gr.update(
                choices=[(method(name).title, name) for name in run.methods],
                value=view.method if view.method in run.methods else run.methods[0],
                visible=view.beside == PARTS,
            ),
        }

    def ranks(self, shown: Sequence[Strip], across: str | None, along: str | None) -> View:
        """The plot of two strips' ranks, by their keys; the first two if none are named."""
        by_key = {strip.key: strip for strip, _ in answered(shown)}
        choices = [(strip.title, key) for key, strip in by_key.items()]
        keys = list(by_key)
        across = across if across in by_key else next(iter(keys), None)
        along = along if along in by_key else next((key for key in keys if key != across), None)
        plot = None if across is None or along is None else rank_plot(by_key[across], by_key[along])
        return {
            self.compare.across: gr.update(choices=choices, value=across),
            self.compare.along: gr.update(choices=choices, value=along),
            self.compare.ranks: plotted(plot),
        }

    def by_group(
        self, workspace: Workspace, shown: Sequence[Strip], of: str | None, column: str | None, measure: str
    ) -> View:
        """One strip's influence by group, by its key; the first if none is named."""
        by_key = {strip.key: strip for strip, _ in answered(shown)}
        of = of if of in by_key else next(iter(by_key), None)
        columns = columns_of(workspace.training_set)
        column = column if column in columns else next(iter(columns), None)
        return {
            self.groups.of: gr.update(choices=[(s.title, key) for key, s in by_key.items()], value=of),
            self.groups.words: group_words(by_key[of].ranking if of is not None else None, measure),
            self.groups.plot: plotted(
                group_plot(by_key[of], workspace.training_set, column, measure)
                if of is not None and column is not None
                else None
            ),
        }


def _warnings(run: Run, view: Shown) -> tuple[str, ...]:
    """What should be known of the parts that are shown before believing them."""
    parts = run.parts if view.beside == PARTS else run.parts[view.part : view.part + 1]
    told = [w for part in parts if part.attribution is not None for w in part.attribution.warnings]
    return tuple(dict.fromkeys(told))


def build_answer(mosaic: Sequence[int], columns: Sequence[str]) -> Answer:
    with gr.Column(elem_id="answer-box"):
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
        with gr.Column(elem_id="panels", min_width=0):
            with gr.Row(elem_id="take-away"):
                history = build_history()
                report = gr.DownloadButton(
                    "Report", size="sm", interactive=False, min_width=0, elem_id="download-report"
                )
                as_json = gr.DownloadButton(
                    "JSON", size="sm", interactive=False, min_width=0, elem_id="download-json"
                )
                as_csv = gr.DownloadButton(
                    "CSV", size="sm", interactive=False, min_width=0, elem_id="download-csv"
                )
            with gr.Tabs(elem_id="answer"):
                with gr.Tab("Training images", id="board"):
                    strips_shown = gr.HTML(
                        empty_board(mosaic),
                        js_on_load=script("board.js"),
                        apply_default_css=False,
                        elem_id="board",
                    )
                with gr.Tab("Compare", id="compare"):
                    compare = build_compare()
                with gr.Tab("Groups", id="groups"):
                    groups = build_groups(columns)
                with gr.Tab("Prove it", id="proof"):
                    proof = build_proof()
                with gr.Tab("Scores", id="scores"):
                    plot = gr.Plot(show_label=False, container=False, elem_id="plot", visible=False)
                with gr.Tab("How to read this", id="guide"):
                    gr.HTML(GUIDE, apply_default_css=False, js_on_load=None)
    detail = gr.HTML(
        None,
        html_template="<span></span>",
        js_on_load=script("detail.js"),
        apply_default_css=False,
        elem_id="detail",
    )
    return Answer(
        beside, part, chosen, strips_shown, plot, compare, groups, proof, history, report, as_json, as_csv,
        detail,
    )  # fmt: skip

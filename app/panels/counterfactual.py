"""The panel that tests an answer: unlearn what it names, or the picture itself, and see what changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from app.frontend.assets import script
from app.panels.updates import FONTS, Updates, html_panel
from app.runs.proofs import ITSELF, TOP
from app.runs.run import Run
from app.runs.selection import Strip, own_strips
from app.views import status
from app.views.card import Fonts
from app.views.counterfactual import introduction
from app.views.proof_gif import write_proof_gif
from app.views.proofs import proof_view

MOST, USUAL = 50, 20  # images that are unlearned together
KEPT = "As it was tested; it is kept with the answer."
UNFINISHED = "It was stopped: Prove it goes on with what is missing."
FOUND = "Stopped. What was found is shown; Prove it goes on from there."
READY = "Takes a minute or two. The model itself is never changed."


@dataclass(frozen=True)
class CounterfactualPanel:
    """The panel's components."""

    of: gr.Dropdown
    count: gr.Slider
    top: gr.Button
    itself: gr.Button
    stop: gr.Button
    status: gr.HTML
    top_result: gr.HTML
    gif: gr.DownloadButton
    itself_result: gr.HTML

    def outputs(self) -> list[Any]:
        """Every component that the updates below speak of."""
        return [
            self.of, self.count, self.top, self.itself, self.stop, self.status,
            self.top_result, self.gif, self.itself_result,
        ]  # fmt: skip

    def empty(self) -> Updates:
        """There is nothing to test yet."""
        return {
            self.of: gr.update(choices=[], value=None),
            self.top: gr.update(interactive=False, visible=True),
            self.itself: gr.update(interactive=False, visible=True),
            self.stop: gr.update(visible=False),
            self.status: status.idle(READY),
            self.top_result: "",
            self.gif: gr.update(value=None, visible=False),
            self.itself_result: "",
        }

    def whole(self, run: Run, shown: Sequence[Strip]) -> Updates:
        """An answer is there, or is seen from another side; a test that runs goes on."""
        choices = [(strip.title, strip.key) for strip in own_strips(run, shown)]
        there = gr.update(interactive=bool(choices))
        return {
            self.of: gr.update(choices=choices, value=choices[0][1] if choices else None),
            self.top: there,
            self.itself: there,
        }

    def proven(self, run: Run) -> Updates:
        """The tests that are kept with a run, the last of either kind."""
        last = {proof.kind: proof for proof in run.proofs}
        results = {TOP: self.top_result, ITSELF: self.itself_result}
        shown: Updates = {results[kind]: proof_view(proof, run) for kind, proof in last.items()}
        if not shown:
            return {}
        if (top := last.get(TOP)) is not None:
            gif = write_proof_gif(top, run.caption, Fonts(FONTS))
            shown[self.gif] = gr.update(value=str(gif), visible=True)
        whole = all(proof.check.final for proof in last.values())
        return {**shown, self.status: status.done(KEPT) if whole else status.idle(UNFINISHED)}

    def at_work(self, line: str) -> Updates:
        """A test runs: it can be stopped, and none can be begun."""
        return self._buttons(line, working=True)

    def at_rest(self, line: str) -> Updates:
        """No test runs."""
        return self._buttons(line, working=False)

    def stopped(self, same: bool) -> str:
        """What is said of a test that was stopped; `same`: the page shows its question still."""
        return FOUND if same else READY

    def stopping(self) -> Updates:
        """A test was told to stop.

        Nothing that its own end writes: this may reach the page after that, and must not undo it.
        """
        return {self.stop: gr.update(value="Stopping …", interactive=False)}

    def _buttons(self, line: str, working: bool) -> Updates:
        return {
            self.top: gr.update(visible=not working),
            self.itself: gr.update(visible=not working),
            self.stop: gr.update(visible=working, value="Stop", interactive=True),
            self.status: line,
        }


def build_counterfactual() -> CounterfactualPanel:
    """Both tests, each with what it is for above and its result below."""
    html_panel(introduction(itself=False))
    with gr.Row(elem_id="proof-ask"):
        of = gr.Dropdown([], label="Ranked by", elem_id="proof-of", min_width=0, filterable=False)
        count = gr.Slider(1, MOST, USUAL, step=1, label="First images", elem_id="proof-count", min_width=0)
        top = gr.Button("Prove it", variant="primary", interactive=False, elem_id="prove", min_width=0)
        itself = gr.Button(
            "Unlearn the picture itself", interactive=False, elem_id="prove-itself", min_width=0
        )
        stop = gr.Button("Stop", visible=False, elem_id="prove-stop", min_width=0)
    line = html_panel(status.idle(READY), "proof-status")
    top_result = html_panel("", "proof-top", script("proof.js"))
    gif = gr.DownloadButton("Download as GIF", size="sm", visible=False, elem_id="proof-gif", min_width=0)
    html_panel(introduction(itself=True))
    itself_result = html_panel("", "proof-itself")
    return CounterfactualPanel(of, count, top, itself, stop, line, top_result, gif, itself_result)

"""Testing an answer: the events of the panel "Prove it", and its runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import gradio as gr

from app.events.context import PageContext, sentence
from app.events.history import archive_proof
from app.events.listeners import AT_ONCE, ON_THE_MODEL
from app.panels.counterfactual import MOST, CounterfactualPanel
from app.panels.updates import Updates
from app.runs.proofs import ITSELF, TOP, Kind, Proof
from app.runs.run import Run, generation_of
from app.runs.selection import Strip, own_strips, strips
from app.runtime.sessions import Session
from app.views import status
from app.views.proofs import proof_view
from attribution.analysis.counterfactual import CounterfactualCheck
from attribution.analysis.counterfactual_check import check_picture, check_ranking
from attribution.errors import Cancelled, InputError, SettingsError
from attribution.results import Progress
from attribution.workspace.workspace import Workspace

# Takes generation= and stop=, and yields progress and what has been found.
Steps = Callable[..., Iterator[Progress | CounterfactualCheck]]


@dataclass(frozen=True)
class Check:
    """One of the panel's tests.

    Attributes:
        kind: what it unlearns.
        button: what begins it.
        result: where its result is shown.
        steps: the test of a ranking's first so many images.
        view: its result as HTML.
    """

    kind: Kind
    button: gr.Button
    result: gr.HTML
    steps: Callable[[Workspace, Strip, int], Steps]


def checks(panel: CounterfactualPanel) -> tuple[Check, Check]:
    """The test that unlearns the first ranks, and the one that unlearns the picture itself."""
    return (
        Check(TOP, panel.top, panel.top_result, _top_steps),
        Check(ITSELF, panel.itself, panel.itself_result, _picture_steps),
    )


def _top_steps(workspace: Workspace, strip: Strip, count: int) -> Steps:
    assert strip.ranking is not None
    rows = strip.ranking.rows[:count].tolist()
    return partial(check_ranking, workspace, strip.part.query, rows)


def _picture_steps(workspace: Workspace, strip: Strip, count: int) -> Steps:
    return partial(check_picture, workspace, strip.part.query)


@dataclass(frozen=True)
class CounterfactualEvents:
    """The handlers of one test."""

    page: PageContext
    check: Check

    def begin(self, of: str | None, count: float | None, request: gr.Request) -> Updates:
        """Check what is asked of the ranking called `of`."""
        panel, session = self.page.answer.counterfactual, self.page.session(request)
        session.check = None
        try:
            strip_to_test(self.page, session, of, count)
        except InputError as problem:
            return {panel.status: status.failed(sentence(str(problem)))}
        session.check = session.begin()
        return panel.at_work(status.running("Waiting for the model"))

    def run(self, of: str | None, count: float | None, request: gr.Request) -> Iterator[Updates]:
        """Run the test that was asked for."""
        session = self.page.session(request)
        stop, session.check = session.check, None
        if stop is None:
            yield self.page.unchanged()
            return
        strip, number = strip_to_test(self.page, session, of, count)
        steps, run = self.check.steps(self.page.workspace, strip, number), session.run
        assert run is not None
        for check, updates in check_updates(
            self.page, session, run, self.page.answer.counterfactual, steps, stop
        ):
            if check is None:
                yield updates
                continue
            proof = Proof(strip.part.label, strip.method.name, self.check.kind, check)
            yield {**updates, self.check.result: proof_view(proof)}
            if check.final:
                yield {**self.page.unchanged(), **archive_proof(self.page, session, run, proof)}

    def stop(self, request: gr.Request) -> Updates:
        """The test ends itself at its next step."""
        self.page.session(request).stop.set()
        return self.page.answer.counterfactual.stopping()


def connect_counterfactual(page: PageContext) -> None:
    """Wire the panel."""
    panel = page.answer.counterfactual
    fields = [panel.of, panel.count]
    for check in checks(panel):
        events = CounterfactualEvents(page, check)
        begun = check.button.click(events.begin, fields, panel.outputs(), **AT_ONCE)
        outputs = [page.action.status, *panel.outputs(), page.answer.downloads.report]
        begun.then(events.run, fields, outputs, **ON_THE_MODEL)
    panel.stop.click(events.stop, None, [panel.stop], **AT_ONCE)


def strip_to_test(page: PageContext, session: Session, of: str | None, count: Any) -> tuple[Strip, int]:
    """The ranking to test, by its key, and how many of its first images.

    Raises:
        SettingsError: there is no answer yet, or the number makes no sense.
    """
    if session.run is None:
        raise SettingsError("there is no answer to test: press Attribute first")
    if not session.at_rest:
        raise SettingsError("the answer is still coming: wait for it, or stop it")
    shown = own_strips(session.run, strips(session.run, session.selection, page.earlier(session)))
    if not shown:
        raise SettingsError("there is no ranking to test: press Attribute first")
    if not isinstance(count, int | float) or not 1 <= count <= MOST:
        raise SettingsError(f"choose between 1 and {MOST} images")
    strip = next((strip for strip in shown if strip.key == of), shown[0])
    assert strip.ranking is not None
    return strip, min(int(count), len(strip.ranking))


class TestPanel(Protocol):
    """What a test needs of the panel in which it runs."""

    @property
    def status(self) -> gr.HTML:
        """The line that says what goes on."""
        ...

    def at_rest(self, line: str) -> Updates:
        """No test runs."""
        ...

    def stopped(self, same: bool) -> str:
        """What is said of a test that was stopped; `same`: its run is on the page still."""
        ...


def check_updates(
    page: PageContext, session: Session, run: Run, panel: TestPanel, steps: Steps, stop: threading.Event
) -> Iterator[tuple[CounterfactualCheck | None, Updates]]:
    """What has been found of a run's picture, where there is news of it, and the updates of one test."""
    progress = status.ProgressLine()
    try:
        generation = generation_of(run.picture, page.workspace.fingerprints.get("model", ""))
        with page.queue.join("proof", session.address) as place:
            for updates in page.wait_for_model(place, stop, "attribute"):
                yield None, {panel.status: updates[page.action.status]}
            for event in page.worker.steps(steps(generation=generation, stop=stop)):
                place.turn(0)
                if isinstance(event, Progress):
                    line = progress.line(replace(event, stage=sentence(event.stage)), "")
                    if line is not None:
                        yield None, {panel.status: line}
                else:
                    done = panel.at_rest(status.done("Done. What it says is below.")) if event.final else {}
                    yield event, {**page.unchanged(), **done}
    except Cancelled:
        yield (
            None,
            panel.at_rest(status.idle(panel.stopped(session.run is not None and session.run.id == run.id))),
        )
    except Exception as problem:  # the page's edge: told in words
        yield None, panel.at_rest(page.failed(problem)[page.action.status])

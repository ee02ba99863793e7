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
from attribution.analysis.counterfactual import MATCHED, CounterfactualCheck, CounterfactualSettings
from attribution.analysis.counterfactual_check import check_picture, check_ranking
from attribution.analysis.counterfactual_sets import matched_set
from attribution.data.words import words
from attribution.errors import Cancelled, InputError, SettingsError
from attribution.results import Progress
from attribution.workspace.workspace import Workspace

LIKENESS = "clip"  # the method whose first images are unlearned beside those of the one that is tested
# Takes generation= and stop=, and yields progress and what has been found.
Steps = Callable[..., Iterator[Progress | CounterfactualCheck]]


@dataclass(frozen=True)
class Check:
    """One of the panel's tests.

    Attributes:
        kind: what it unlearns.
        button: what begins it.
        result: where its result is shown.
        steps: the test of a ranking's first so many images, which goes on with an earlier one.
        view: its result as HTML.
    """

    kind: Kind
    button: gr.Button
    result: gr.HTML
    steps: Callable[[Workspace, Strip, int, CounterfactualCheck | None], Steps]


def checks(panel: CounterfactualPanel) -> tuple[Check, Check]:
    """The test that unlearns the first ranks, and the one that unlearns the picture itself."""
    return (
        Check(TOP, panel.top, panel.top_result, _top_steps),
        Check(ITSELF, panel.itself, panel.itself_result, _picture_steps),
    )


def _top_steps(
    workspace: Workspace, strip: Strip, count: int, earlier: CounterfactualCheck | None
) -> Steps:
    assert strip.ranking is not None
    rows, settings = strip.ranking.rows[:count].tolist(), CounterfactualSettings()
    beside = _sets_beside(workspace, strip, rows, settings)
    return partial(check_ranking, workspace, strip.part.query, rows, settings, beside=beside, begun=earlier)


def _sets_beside(
    workspace: Workspace, strip: Strip, rows: list[int], settings: CounterfactualSettings
) -> dict[str, list[int]]:
    """What else is unlearned: others with the same words, and what looks most like the picture.

    There are none of the first where captions have no words or too few images are left, and none of the
    second where CLIP was not asked, or is what is tested.
    """
    training_set, found = workspace.training_set, {}
    if len(training_set) >= (2 + settings.controls) * len(rows) and any(
        words(training_set.captions[row]) for row in rows
    ):
        found[MATCHED] = list(matched_set(workspace, rows, settings))
    likeness = strip.part.rankings.get(LIKENESS)
    if likeness is not None and strip.method.name != LIKENESS:
        found[LIKENESS] = likeness.rows[: len(rows)].tolist()
    return found


def _picture_steps(
    workspace: Workspace, strip: Strip, count: int, earlier: CounterfactualCheck | None
) -> Steps:
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
        session.check = session.begin_beside()
        return panel.at_work(status.running("Waiting for the model"))

    def run(self, key: str | None, count: float | None, request: gr.Request) -> Iterator[Updates]:
        """Run the test that was asked for."""
        session = self.page.session(request)
        stop, session.check = session.check, None
        if stop is None:
            yield self.page.unchanged()
            return
        strip, number = strip_to_test(self.page, session, key, count)
        run = session.run
        assert run is not None
        of, kept = (strip.part.label, strip.method.name, self.check.kind), self.page.unchanged()
        earlier = next((proof.check for proof in run.proofs if proof.of == of), None)
        steps = self.check.steps(self.page.workspace, strip, number, earlier)
        for check, updates in check_updates(
            self.page, session, run, self.page.answer.counterfactual, steps, stop
        ):
            if check is None:
                yield updates
                continue
            proof = Proof(*of, check)
            at_work = not check.final
            yield {**updates, self.check.result: proof_view(proof, run, at_work)}
            if check.final:
                kept = archive_proof(self.page, session, run, proof)
            elif self.check.kind == TOP and check.outcome is not None:  # from here on it can go on
                archive_proof(self.page, session, run, proof)
        yield {**self._at_the_end(session, run), **self.page.unchanged(), **kept}

    def _at_the_end(self, session: Session, run: Run) -> Updates:
        """What has been found, once a test has ended, was stopped or has failed."""
        panel, shown = self.page.answer.counterfactual, session.run
        if shown is None or shown.id != run.id:
            return {}
        return {each: value for each, value in panel.proven(shown).items() if each is not panel.status}

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
        yield None, panel.at_rest(status.idle(panel.stopped(session.shows(run))))
    except Exception as problem:  # the page's edge: told in words
        yield None, panel.at_rest(page.failed(problem)[page.action.status])

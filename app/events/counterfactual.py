"""Testing an answer: the events of the panel "Prove it", and its runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from app.events.context import Desk, View, sentence
from app.events.generate import ON_THE_MODEL, QUIET, waited
from app.panels.counterfactual import MOST, READY, own_strips
from app.runs.run import Picture
from app.runs.selection import Strip, strips
from app.runtime.sessions import Session
from app.views import status
from app.views.counterfactual import picture_view, top_view
from attribution.analysis.counterfactual import Proof
from attribution.analysis.counterfactual_check import prove_picture, prove_top
from attribution.errors import Cancelled, InputError, SettingsError
from attribution.models.base import Generation
from attribution.results import Progress

WAITING = "Waiting for the model"
Found = tuple[Any, gr.HTML, Callable[[Proof], str]]  # its events, where it shows, and how
Test = Callable[[Strip, int], Found]


def connect_proof(desk: Desk) -> None:
    """Wire the panel."""
    prove = desk.answer.proof
    outputs = [desk.action.status, *prove.outputs()]

    def begin(of: str | None, count: float | None, request: gr.Request) -> View:
        session = desk.sessions.of(request.session_hash)
        session.proving = None
        try:
            tested(desk, session, of, count)
        except InputError as problem:
            return {prove.status: status.failed(sentence(str(problem)))}
        session.proving = session.begin()
        return prove.at_work(status.running(WAITING))

    def run(of: str | None, count: float | None, request: gr.Request, test: Test) -> Iterator[View]:
        session = desk.sessions.of(request.session_hash)
        stop, session.proving = session.proving, None
        if stop is None:
            yield desk.unchanged()
            return
        events, result, shown = test(*tested(desk, session, of, count))
        for proof, view in proving(desk, session, events, stop):
            yield {**view, **({} if proof is None else {result: shown(proof)})}

    def of_top(strip: Strip, number: int) -> Found:
        assert strip.ranking is not None
        rows = [entry.row for entry in strip.ranking.entries[:number]]
        words = f"the images that {strip.title} ranks first"
        events = partial(prove_top, desk.workspace, strip.part.query, rows)
        return events, prove.top_result, lambda proof: top_view(proof, words)

    def of_picture(strip: Strip, number: int) -> Found:
        events = partial(prove_picture, desk.workspace, strip.part.query)
        return events, prove.itself_result, picture_view

    def run_top(of: str | None, count: float | None, request: gr.Request) -> Iterator[View]:
        yield from run(of, count, request, of_top)

    def run_itself(of: str | None, count: float | None, request: gr.Request) -> Iterator[View]:
        yield from run(of, count, request, of_picture)

    def end(request: gr.Request) -> View:
        session = desk.sessions.of(request.session_hash)
        session.stop.set()
        return prove.at_rest(status.idle("Stopping after this step."))

    asked = [prove.of, prove.count]
    for button, answer in ((prove.top, run_top), (prove.itself, run_itself)):
        button.click(begin, asked, prove.outputs(), queue=False, **QUIET).then(
            answer, asked, outputs, **ON_THE_MODEL
        )
    prove.stop.click(end, None, prove.outputs(), queue=False, **QUIET)


def tested(desk: Desk, session: Session, of: str | None, count: Any) -> tuple[Strip, int]:
    """The ranking to test, by its key, and how many of its first images.

    Raises:
        SettingsError: there is no answer yet, or the number makes no sense.
    """
    if session.run is None:
        raise SettingsError("there is no answer to test: press Attribute first")
    if not session.at_rest:
        raise SettingsError("the answer is still coming: wait for it, or stop it")
    shown = own_strips(session.run, strips(session.run, session.view, desk.earlier(session)))
    if not shown:
        raise SettingsError("there is no ranking to test: press Attribute first")
    if not isinstance(count, int | float) or not 1 <= count <= MOST:
        raise SettingsError(f"choose between 1 and {MOST} images")
    strip = next((strip for strip in shown if strip.key == of), shown[0])
    assert strip.ranking is not None
    return strip, min(int(count), len(strip.ranking.entries))


def proving(
    desk: Desk, session: Session, events: Any, stop: threading.Event
) -> Iterator[tuple[Proof | None, View]]:
    """What has been found, where there is news of it, and the views of one test."""
    prove, pace, run = desk.answer.proof, status.Pace(), session.run
    assert run is not None
    try:
        generation = made_here(run.picture, desk.workspace.fingerprints.get("model", ""))
        with desk.line.join("proof") as place:
            for view in waited(desk, place, stop, "attribute"):
                yield None, {prove.status: view[desk.action.status]}
            for event in desk.worker.steps(events(generation=generation, stop=stop)):
                place.turn(0)
                if isinstance(event, Progress):
                    line = pace.line(replace(event, stage=sentence(event.stage)), "")
                    if line is not None:
                        yield None, {prove.status: line}
                else:
                    done = prove.at_rest(status.done("Done. What it says is below.")) if event.final else {}
                    yield event, {**desk.unchanged(), **done}
    except Cancelled:
        found = session.run is run  # otherwise the page shows another question by now
        yield None, prove.at_rest(status.idle("Stopped. What was found is shown." if found else READY))
    except Exception as problem:  # the page's edge: told in words
        yield None, prove.at_rest(desk.failed(problem)[desk.action.status])


def made_here(picture: Picture, model: str) -> Generation | None:
    """What the picture was made from; None if that is not known, or another model made it."""
    made = picture.made
    if "seed" not in made or made.get("model") not in (None, model):
        return None
    known = {key: made[key] for key in ("seed", "steps", "guidance", "negative_prompt") if key in made}
    return Generation(str(made.get("prompt") or picture.caption), **known)

"""Bringing a picture to the page: generated, sent, or from an example."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import gradio as gr
from PIL import Image

from app.events.context import Desk, View, sentence
from app.panels.source import MAX_SEED, restored_fields
from app.panels.stage import preview_view
from app.runs.run import MAX_PARTS, Picture
from app.runtime.queue import LONGEST, Place
from app.runtime.sessions import Session
from app.views import status
from attribution.data.preprocessing import prepared
from attribution.errors import Cancelled, InputError, SettingsError, WhenceError
from attribution.models.base import Generation
from attribution.query import Box
from attribution.results import Progress

READY = "Draw a box around a part, or just press Attribute."


def connect_generating(desk: Desk) -> Any:
    """Wire the panel; returns the event that an example's picture is there, which asks its question."""
    source, outputs = desk.source, desk.outputs()
    made_of = [source.prompt, source.seed, source.steps, source.guidance, source.negative]

    def begin(
        prompt: str | None,
        seed: float | None,
        steps: float,
        guidance: float,
        negative: str | None,
        request: gr.Request,
    ) -> View:
        session = desk.sessions.of(request.session_hash)
        session.generation, session.boxes_to_come, session.ask_next = None, (), False
        try:
            session.generation = asked_for(prompt, seed, steps, guidance, negative)
        except InputError as problem:
            return desk.at_rest(status.failed(sentence(str(problem))))
        return desk.at_work(status.running("Waiting for the model", kind="generate"))

    def pick(event: gr.EventData, request: gr.Request) -> View:
        session = desk.sessions.of(request.session_hash)
        index = event._data.get("index")
        session.generation = None
        if not isinstance(index, int) or not 0 <= index < len(desk.questions):
            return desk.at_rest(status.failed("There is no such example."))
        question = desk.questions[index]
        generation = Generation(question.prompt, question.seed)
        session.generation, session.ask_next = generation, True
        session.boxes_to_come = () if question.box is None else (question.box,)
        fields = (generation.prompt, generation.seed, generation.steps, generation.guidance, "")
        return {
            **desk.at_work(status.running("Waiting for the model", kind="generate")),
            **dict(zip(made_of, fields, strict=True)),
        }

    def run(request: gr.Request) -> Iterator[View]:
        session = desk.sessions.of(request.session_hash)
        generation, session.generation = session.generation, None
        if generation is None:
            yield desk.unchanged()
        else:
            yield from generating(desk, session, generation)

    def receive(event: gr.EventData, caption: str | None, request: gr.Request) -> View:
        session = desk.sessions.of(request.session_hash)
        refused = event._data.get("refused")
        upload = desk.uploads.take(event._data.get("token"))
        if refused is not None or upload is None:
            words = refused if isinstance(refused, str) else "the picture did not arrive: send it again"
            return desk.at_rest(status.failed(sentence(words[:300])))
        try:
            desk.warm.wait()
            session.begin()
            made = {key: value for key, value in upload.settings.items() if key != "boxes"}
            picture = Picture(
                prepared(upload.image, desk.workspace.resolution), "", made, upload.image.size
            )
            session.show(picture, boxes_from(upload.settings))
            return {
                **desk.new_picture(session, status.idle(welcome(desk, made, caption or ""))),
                **restored_fields(source, made),
            }
        except Exception as problem:  # the page's edge: told in words
            return desk.failed(problem)

    def reuse(request: gr.Request) -> Any:
        picture = desk.sessions.of(request.session_hash).picture
        return gr.skip() if picture is None else picture.made.get("seed", gr.skip())

    gr.on(
        [source.generate.click, source.prompt.submit], begin, made_of, outputs, queue=False, **QUIET
    ).then(run, None, outputs, **ON_THE_MODEL)
    picked = source.examples.pick(pick, None, [*outputs, *made_of], queue=False, **QUIET).then(
        run, None, outputs, **ON_THE_MODEL
    )
    received = [*outputs, source.caption, *made_of]
    for sender in (source.drop, desk.stage.view):
        sender.upload(receive, source.caption, received, queue=False, **QUIET)
    source.randomise.click(lambda: random.randint(0, MAX_SEED), None, source.seed, queue=False, **QUIET)
    source.reuse.click(reuse, None, source.seed, queue=False, **QUIET)
    return picked


def boxes_from(settings: Mapping[str, Any]) -> tuple[Box, ...]:
    """The parts that were marked when a picture was saved."""
    return tuple(Box(*map(float, sides)) for sides in settings.get("boxes", ())[:MAX_PARTS])


QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
PREVIEWS = 8  # of a picture while it is being made
ON_THE_MODEL: dict[str, Any] = {
    **QUIET,
    "concurrency_limit": LONGEST + 2,  # who waits is told so by the queue, who comes after as well
    "concurrency_id": "model",
    # A stopped run may still be at its last step when the next one is asked for: that must not be dropped.
    "trigger_mode": "multiple",
}


def asked_for(
    prompt: str | None, seed: float | None, steps: float, guidance: float, negative: str | None
) -> Generation:
    """The fields as a `Generation`.

    Raises:
        SettingsError: a field is empty or out of range.
    """
    if seed is None or not 0 <= seed <= MAX_SEED:
        raise SettingsError(f"the seed must be a whole number from 0 to {MAX_SEED:,}")
    return Generation(
        (prompt or "").strip(), int(seed), int(steps), float(guidance), (negative or "").strip()
    )


def generating(desk: Desk, session: Session, generation: Generation) -> Iterator[View]:
    """The views of one generation, from the wait for the model to the picture."""
    stop, pace, boxes = session.begin(), status.Pace(kind="generate"), session.boxes_to_come
    try:
        with desk.line.join("generate") as place:
            yield from waited(desk, place, stop, "generate")
            image = None
            steps = desk.workspace.model.generate(generation, previews=PREVIEWS)
            for step in desk.worker.steps(steps):
                if stop.is_set():
                    raise Cancelled("stopped")
                image = step.image
                view: View = {}
                line = pace.line(Progress("", "Generating", step.done, step.total), "")
                if line is not None:
                    view[desk.action.status] = line
                if step.preview is not None:
                    view[desk.stage.view] = preview_view(step.preview, generation.prompt)
                if view:
                    yield view
        session.show(generated(desk, generation, image), boxes)
        yield desk.new_picture(session, status.idle(READY))
    except Cancelled:
        session.ask_next = False
        yield {**desk.marked(session), **desk.at_rest(status.idle("Stopped."))}
    except Exception as problem:  # the page's edge: told in words
        session.ask_next = False
        yield desk.failed(problem)


def generated(desk: Desk, generation: Generation, image: Image.Image | None) -> Picture:
    """What the model has made, with all that it is a function of."""
    if image is None:
        raise WhenceError("the model gave no picture")
    made = {**asdict(generation), "model": desk.workspace.fingerprints["model"]}
    return Picture(prepared(image, desk.workspace.resolution), generation.prompt, made)


def waited(desk: Desk, place: Place, stop: threading.Event, kind: str) -> Iterator[View]:
    """The views until the model is there and it is this page's turn.

    Raises:
        Cancelled: the person has pressed Stop.
    """
    for _ in desk.warm.waiting():
        if stop.is_set():
            raise Cancelled("stopped")
        place.turn(0)
        yield {desk.action.status: status.running("Opening the model", kind=kind)}
    while not place.turn():
        if stop.is_set():
            raise Cancelled("stopped")
        yield {desk.action.status: status.running("In line for the model", place.words(), kind=kind)}


def welcome(desk: Desk, made: dict[str, Any], caption: str) -> str:
    """What to do with a picture that has just come in."""
    if made.get("model") not in (None, desk.workspace.fingerprints.get("model")):
        return "Settings restored, but this picture was made by another model: read the answer with care."
    if made:
        return f"Settings restored from the picture. {READY}"
    return READY if caption.strip() else "Now write its caption."

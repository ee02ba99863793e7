"""Making a picture: from the form, or as an example asks for it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import gradio as gr
from PIL import Image

from app.events.callers import sent_with
from app.events.context import READY, PageContext, sentence
from app.events.listeners import AT_ONCE, ON_THE_MODEL
from app.panels.updates import Updates
from app.runs.question import LONGEST, MAX_SEED, checked_generation
from app.runs.run import Picture
from app.runtime.sessions import Session
from app.views import status
from app.views.known_words import unsaid_view
from app.views.stage import preview_view
from attribution.analysis.known_words import unsaid_words
from attribution.analysis.query_check import unread_words
from attribution.errors import Cancelled, InputError, WhenceError
from attribution.models.base import Generation
from attribution.results import Progress
from attribution.workspace.workspace import Workspace

PREVIEWS = 8  # of a picture while it is being made


@dataclass(frozen=True)
class GenerateEvents:
    """The handlers of the form and of the examples."""

    page: PageContext

    def begin(
        self,
        prompt: str | None,
        seed: float | None,
        steps: float,
        guidance: float,
        negative: str | None,
        request: gr.Request,
    ) -> Updates:
        """Check what the form asks for."""
        session = self.page.session(request)
        try:
            generation = checked_generation(prompt, seed, steps, guidance, negative)
        except InputError as problem:
            return self.page.refused(session, sentence(str(problem)))
        session.begin()
        session.generation, session.boxes_to_come, session.ask_next = generation, (), False
        return self.page.at_work(status.running("Waiting for the model", kind="generate"))

    def pick_example(self, event: gr.EventData, request: gr.Request) -> Updates:
        """Ask for an example's picture; its question follows."""
        session, index = self.page.session(request), sent_with(event).get("index")
        if not isinstance(index, int) or not 0 <= index < len(self.page.examples):
            return self.page.refused(session, "There is no such example.")
        example = self.page.examples[index]
        generation = Generation(example.prompt, example.seed)
        session.begin()
        session.generation, session.ask_next = generation, True
        session.boxes_to_come = () if example.box is None else (example.box,)
        fields = (generation.prompt, generation.seed, generation.steps, generation.guidance, "")
        return {
            **self.page.at_work(status.running("Waiting for the model", kind="generate")),
            **dict(zip(self.page.source.form.settings(), fields, strict=True)),
        }

    def run(self, request: gr.Request) -> Iterator[Updates]:
        """Make the picture that was asked for."""
        session = self.page.session(request)
        generation, session.generation = session.generation, None
        if generation is None:
            yield self.page.unchanged()
        else:
            yield from generation_updates(self.page, session, generation)

    def unsaid(self, prompt: str | None) -> str:
        """The words of a prompt that is being written which no training caption has."""
        return unsaid_view(unsaid_words((prompt or "")[:LONGEST], self.page.workspace.training_set))

    def random_seed(self) -> int:
        """Any seed."""
        return random.randint(0, MAX_SEED)

    def reuse_seed(self, request: gr.Request) -> Any:
        """The seed of the picture on the page."""
        picture = self.page.session(request).picture
        return gr.skip() if picture is None else picture.made.get("seed", gr.skip())


def connect_generating(page: PageContext) -> Any:
    """Wire the panel; returns the event that an example's picture is there, which asks its question."""
    source, form, outputs, events = page.source, page.source.form, page.outputs(), GenerateEvents(page)
    settings = form.settings()
    begun = gr.on([form.generate.click, form.prompt.submit], events.begin, settings, outputs, **AT_ONCE)
    begun.then(events.run, None, outputs, **ON_THE_MODEL)
    # Of what is typed quickly, the last is enough.
    form.prompt.change(events.unsaid, form.prompt, form.unsaid, trigger_mode="always_last", **AT_ONCE)
    form.randomise.click(events.random_seed, None, form.seed, **AT_ONCE)
    form.reuse.click(events.reuse_seed, None, form.seed, **AT_ONCE)
    picked = source.examples.pick(events.pick_example, None, [*outputs, *settings], **AT_ONCE)
    return picked.then(events.run, None, outputs, **ON_THE_MODEL)


def generation_updates(page: PageContext, session: Session, generation: Generation) -> Iterator[Updates]:
    """The updates of one generation, from the wait for the model to the picture."""
    boxes, asks = session.boxes_to_come, session.ask_next
    stop, progress = session.begin(), status.ProgressLine(kind="generate")
    session.working = stop
    try:
        with page.queue.join("generate", session.address) as place:
            yield from page.wait_for_model(place, stop, "generate")
            image = None
            steps = page.workspace.model.generate(generation, previews=PREVIEWS)
            for step in page.worker.steps(steps):
                if stop.is_set():
                    raise Cancelled("stopped")
                place.turn(0)  # a sign of life
                image = step.image
                updates: Updates = {}
                line = progress.line(Progress("", "Generating", step.done, step.total), "")
                if line is not None:
                    updates[page.action.status] = line
                if step.preview is not None:
                    updates[page.stage.view] = preview_view(step.preview, generation.prompt)
                if updates:
                    yield updates
        picture = generated_picture(page.workspace, generation, image)
        unread = unread_words(page.workspace.model, generation.prompt)
        said = f"{sentence(unread)}. {READY}" if unread else READY
        if stop.is_set():  # by Back, which has put another picture in its place
            raise Cancelled("stopped")
        session.show(picture, boxes)
        session.ask_now = asks
        yield page.new_picture(session, status.idle(said))
    except Cancelled:
        stopped = {**page.marked(session), **page.at_rest(status.idle("Stopped."))}
        yield stopped if session.working is stop else page.unchanged()
    except Exception as problem:  # the page's edge: told in words
        failed = page.failed(problem)
        yield failed if session.working is stop else page.unchanged()
    finally:
        session.finish(stop)


def generated_picture(workspace: Workspace, generation: Generation, image: Image.Image | None) -> Picture:
    """What the model has made, with all that it is a function of."""
    if image is None:
        raise WhenceError("the model gave no picture")
    made = {**asdict(generation), "model": workspace.fingerprints["model"]}
    return Picture(workspace.prepared(image), generation.prompt, made)

"""The page's named endpoints, for programs: `gradio_client`, or any HTTP client. See examples/client.py.

They wait in the same queue as people do, and a run that they ask has a link like any other. Annotations are
not postponed here: Gradio describes the endpoints by them.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import gradio as gr

from app.events.callers import address_of, hung_up
from app.events.context import PageContext, sentence
from app.events.generate import generated_picture
from app.events.listeners import ON_THE_MODEL
from app.runs.export import answer_json, write_picture
from app.runs.question import check_length, checked_generation, measures, offered_methods
from app.runs.request import boxes_of_lists, chosen_methods, count, number, sent_bytes, text, whole
from app.runs.run import Picture, Run, parts_of
from app.runtime.reports import REPORTS, went_wrong
from attribution.analysis.evidence import evidence_of
from attribution.data.images import read_image
from attribution.engine import attribute
from attribution.errors import Cancelled, CaptionError, RunError, WhenceError
from attribution.methods.base import refusal
from attribution.query import Settings
from attribution.results import Attribution
from attribution.workspace.workspace import Workspace

Json = dict[str, Any]
TURN = 0.25  # seconds between two looks at the queue

log = logging.getLogger("whence")


@dataclass(frozen=True)
class Endpoints:
    """What programs may call; the docstrings are what the endpoints' page says of them."""

    page: PageContext

    def generate(
        self,
        prompt: str,
        seed: int = 0,
        steps: int = 30,
        guidance: float = 2.0,
        negative_prompt: str = "",
        request: gr.Request | None = None,
    ) -> tuple[gr.FileData, Json]:
        """Generate a picture. Returns it as a PNG that carries its settings, and the settings.

        The seed fixes the picture. Guidance is that of classifier-free guidance; 1 is none.
        """
        with errors_in_one_line():
            generation = checked_generation(
                text(prompt, "prompt"),
                whole(seed, "seed"),
                whole(steps, "steps"),
                number(guidance, "guidance"),
                text(negative_prompt, "negative_prompt"),
            )
            image = None
            with at_the_model(self.page, "generate", request) as still_there:
                for step in self.page.worker.steps(self.page.workspace.model.generate(generation)):
                    still_there()
                    image = step.image
            picture = generated_picture(self.page.workspace, generation, image)
            return gr.FileData(path=str(write_picture(picture))), dict(picture.made)

    def attribute(
        self,
        picture: gr.FileData,
        caption: str = "",
        boxes: list[list[float]] | None = None,
        methods: list[str] | None = None,
        effort: Literal["instant", "refined", "exhaustive"] = "refined",
        seed: int = 0,
        top_k: int | None = None,
        request: gr.Request | None = None,
    ) -> Json:
        """Rank training images by how much a picture depends on them: clues to where it came from.

        A PNG made by Whence needs no caption. Each box, [left, top, right, bottom] in fractions of the
        picture, is a question of its own; without boxes the whole picture is asked about. (The model sees
        the picture as a square, and the answer speaks of the box on that.) Methods as /methods names
        them; by default those that the page has ticked at first. Returns the answer as the page's JSON,
        with the run's id (null if it could not be kept); of several boxes, one answer each under "parts".
        top_k shortens the rankings that are returned, not what is measured.
        """
        with errors_in_one_line():
            run = requested_run(self.page.workspace, picture, caption, boxes, methods, effort, seed)
            returned = count(top_k, "top_k")
            with at_the_model(self.page, f"{effort} x {len(run.parts)}", request) as still_there:
                run = self._answered(run, still_there)
            return {"run": self._kept_id(run), **answer_json(run, returned)}

    def methods(self) -> list[Json]:
        """The methods that this server offers: name, title, family, what they do, if they measure, and what
        retraining found of them for this model: null where it was not measured.
        """
        found = evidence_of(self.page.workspace)
        return [
            {
                "name": m.name,
                "title": m.title,
                "family": m.family.title,
                "description": m.description,
                "measures": measures(m),
                "evidence": None if found is None else asdict(found.of(m.name)),
            }
            for m in offered_methods(self.page.workspace)
        ]

    def run(self, run_id: str, top_k: int | None = None) -> Json:
        """The answer of a run that was asked before, here or on the page, by its id: `run` in its link."""
        with errors_in_one_line():
            returned = count(top_k, "top_k")
            run = self.page.archive.read(run_id)
            return {"run": run.id, **answer_json(run, returned)}

    def _answered(self, run: Run, still_there: Callable[[], None]) -> Run:
        for position, part in enumerate(run.parts):
            events = attribute(self.page.workspace, part.query, run.methods, run.settings)
            for event in self.page.worker.steps(events):
                still_there()
                if isinstance(event, Attribution):
                    run = run.with_part(position, rankings=dict(event.rankings), attribution=event)
        return run

    def _kept_id(self, run: Run) -> str | None:
        try:
            self.page.archive.keep(run)
        except RunError as problem:  # the answer itself stands
            log.error("a run was not kept: %s", problem)
            return None
        return run.id


def connect_api(page: PageContext) -> None:
    """Add the endpoints to the page that is being built."""
    endpoints = Endpoints(page)
    shared = {"concurrency_limit": ON_THE_MODEL["concurrency_limit"], "concurrency_id": "model"}
    gr.api(endpoints.generate, api_name="generate", **shared)
    gr.api(endpoints.attribute, api_name="attribute", **shared)
    gr.api(endpoints.methods, api_name="methods")
    gr.api(endpoints.run, api_name="run")


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """What a program got wrong comes back as one line; of a mistake of ours, where it stands in the log."""
    try:
        yield
    except WhenceError as problem:
        raise gr.Error(sentence(str(problem)), print_exception=False) from problem
    except Exception as problem:
        raise gr.Error(went_wrong(REPORTS.mistake(problem)), print_exception=False) from problem


@contextmanager
def at_the_model(page: PageContext, kind: str, request: gr.Request | None) -> Iterator[Callable[[], None]]:
    """Once it is this program's turn, what is to be called between two steps.

    Raises:
        BusyError: too many wait already.
        Cancelled: the program has hung up; so does what is yielded.
    """
    gone = hung_up()
    with page.queue.join(kind, address_of(request)) as place:

        def still_there() -> None:
            place.turn(0)  # a sign of life
            if gone():
                raise Cancelled("stopped: the program that asked has hung up")

        while not place.turn(TURN):
            still_there()
        page.loader.wait()
        yield still_there


def requested_run(
    workspace: Workspace,
    picture: object,
    caption: str,
    boxes: object,
    names: object,
    effort: str,
    seed: int,
) -> Run:
    """A program's question, checked.

    Raises:
        InputError: something is missing or makes no sense; says what to do.
    """
    image, made = read_image(sent_bytes(picture))
    caption = text(caption, "caption").strip() or str(made.get("prompt", ""))
    check_length(caption, "caption")
    if not caption:
        raise CaptionError("the picture needs its caption: only a PNG made by Whence carries it")
    mapped, given = workspace.config.preparation.box_in_prepared, boxes_of_lists(boxes)
    marked = tuple(mapped(box, image.size) for box in given)
    settings = Settings(seed=whole(seed, "seed"), effort=text(effort, "effort"))
    square = workspace.prepared(image)
    made = {key: value for key, value in made.items() if key != "boxes"}
    parts, offers = parts_of(square, caption, marked), offered_methods(workspace)
    if names is None:
        offers = [each for each in offers if refusal(each, parts[0].query) is None]
    chosen = chosen_methods(offers, names, settings)
    return Run(Picture(square, "", made, image.size), caption, chosen, settings, parts)

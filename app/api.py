"""The page's named endpoints, for programs: `gradio_client`, or any HTTP client. See examples/client.py.

They wait in the same line as people do, and a run that they ask has a link like any other. Annotations are
not postponed here: Gradio describes the endpoints by them.
"""

import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import gradio as gr

from app.events.context import Desk, sentence
from app.events.generate import ON_THE_MODEL, asked_for, generated
from app.panels.ask import offered
from app.panels.source import MAX_SEED
from app.panels.stage import box_of
from app.runs.export import answer_json, write_picture
from app.runs.run import MAX_PARTS, Picture, Run, parts_of
from app.runtime.queue import Place
from attribution.data.images import read_image
from attribution.data.preprocessing import box_in_prepared, prepared
from attribution.engine import attribute
from attribution.errors import BoxError, CaptionError, ImageError, RunError, SettingsError, WhenceError
from attribution.methods.base import Cost, Method, method
from attribution.query import Box, Settings
from attribution.results import Attribution

Json = dict[str, Any]
MAX_SENT = 20 * 2**20  # bytes of a picture, as on the page
HASH = re.compile("[0-9a-f]{64}")
TURN = 0.25  # seconds between two looks at the line

log = logging.getLogger("whence")


def connect_api(desk: Desk) -> None:
    """Add the endpoints to the page that is being built."""

    def generate(
        prompt: str, seed: int = 0, steps: int = 30, guidance: float = 2.0, negative_prompt: str = ""
    ) -> tuple[gr.FileData, Json]:
        """Generate a picture. Returns it as a PNG that carries its settings, and the settings.

        The seed fixes the picture. Guidance is that of classifier-free guidance; 1 is none.
        """
        with told_in_one_line():
            generation = asked_for(
                text(prompt, "prompt"),
                whole(seed, "seed"),
                whole(steps, "steps"),
                number(guidance, "guidance"),
                text(negative_prompt, "negative_prompt"),
            )
            image = None
            with at_the_model(desk, "generate") as place:
                for step in desk.worker.steps(desk.workspace.model.generate(generation)):
                    place.turn(0)
                    image = step.image
            picture = generated(desk, generation, image)
            return gr.FileData(path=str(write_picture(picture))), dict(picture.made)

    def attribute_picture(
        picture: gr.FileData,
        caption: str = "",
        boxes: list[list[float]] | None = None,
        methods: list[str] | None = None,
        effort: Literal["instant", "refined", "exhaustive"] = "refined",
        seed: int = 0,
        top_k: int | None = None,
    ) -> Json:
        """Rank the training images that a picture came from.

        A PNG made by Whence needs no caption. Each box, [left, top, right, bottom] in fractions of the
        picture, is a question of its own; without boxes the whole picture is asked about. (The model sees
        the picture's centre square, and the answer speaks of the box on that.) Methods as /methods names
        them; by default all that the effort allows. Returns the answer as the page's JSON, with the run's
        id (null if it could not be kept); of several boxes, one answer each under "parts". top_k shortens
        the rankings that are returned, not what is measured.
        """
        with told_in_one_line():
            run = question(desk, picture, caption, boxes, methods, effort, seed)
            shown = count(top_k, "top_k")
            with at_the_model(desk, f"{effort} x {len(run.parts)}") as place:
                for number, part in enumerate(run.parts):
                    events = attribute(desk.workspace, part.query, run.methods, run.settings)
                    for event in desk.worker.steps(events):
                        place.turn(0)
                        if isinstance(event, Attribution):
                            done = dict(event.rankings)
                            run = run.with_part(number, rankings=done, attribution=event)
            return {"run": kept_id(desk, run), **answer_json(run, shown)}

    def list_methods() -> list[Json]:
        """The methods that this server offers: name, title, what they do, and whether they measure."""
        return [
            {
                "name": m.name,
                "title": m.title,
                "description": m.description,
                "measures": m.cost is Cost.PER_EXAMPLE,
            }
            for m in offered(desk.workspace)
        ]

    def kept_run(run_id: str, top_k: int | None = None) -> Json:
        """The answer of a run that was asked before, here or on the page, by its id: `run` in its link."""
        with told_in_one_line():
            shown = count(top_k, "top_k")
            run = desk.runs.read(run_id)
            return {"run": run.id, **answer_json(run, shown)}

    shared = {"concurrency_limit": ON_THE_MODEL["concurrency_limit"], "concurrency_id": "model"}
    gr.api(generate, api_name="generate", **shared)
    gr.api(attribute_picture, api_name="attribute", **shared)
    gr.api(list_methods, api_name="methods")
    gr.api(kept_run, api_name="run")


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """What a program got wrong comes back as one line, without a word of the server's own."""
    try:
        yield
    except WhenceError as problem:
        raise gr.Error(sentence(str(problem)), print_exception=False) from problem


def kept_id(desk: Desk, run: Run) -> str | None:
    try:
        desk.runs.keep(run)
    except RunError as problem:  # the answer itself stands
        log.error("a run was not kept: %s", problem)
        return None
    return run.id


@contextmanager
def at_the_model(desk: Desk, kind: str) -> Iterator[Place]:
    """A place in the line, once it is at the model.

    Raises:
        BusyError: too many wait already.
    """
    with desk.line.join(kind) as place:
        while not place.turn(TURN):
            pass
        desk.warm.wait()
        yield place


def question(
    desk: Desk,
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
    if not caption:
        raise CaptionError("the picture needs its caption: only a PNG made by Whence carries it")
    marked = tuple(box_in_prepared(box, image.size) for box in boxes_of(boxes))
    settings = Settings(seed=whole(seed, "seed"), effort=text(effort, "effort"))
    square = prepared(image, desk.workspace.resolution)
    made = {key: value for key, value in made.items() if key != "boxes"}
    return Run(
        Picture(square, "", made, image.size),
        caption,
        chosen(offered(desk.workspace), names, settings),
        settings,
        parts_of(square, caption, marked),
    )


def chosen(offers: Sequence[Method], names: object, settings: Settings) -> tuple[str, ...]:
    """The methods that were named, in our order; all that the effort allows if none were.

    Raises:
        InputError: one is not offered, or none is left.
    """
    known = {each.name: each for each in offers}
    if names is not None and not isinstance(names, list):
        raise SettingsError("methods is a list of names")
    for name in names or ():
        if method(text(name, "a method's name")).name not in known:
            raise SettingsError(f"{name} has not been precomputed here: choose from {', '.join(known)}")
    wanted = known if names is None else names
    left = [name for name in known if name in wanted]
    if settings.effort == "instant":
        left = [name for name in left if known[name].cost is not Cost.PER_EXAMPLE]
    if not left:
        raise SettingsError("no method is left: name one that effort instant can look up, or ask for more")
    return tuple(left)


def boxes_of(given: object) -> tuple[Box, ...]:
    """Raises BoxError: they are not a few boxes of four numbers each."""
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(sides, list) for sides in given):
        raise BoxError("boxes is a list of boxes, each [left, top, right, bottom]")
    if len(given) > MAX_PARTS:
        raise BoxError(f"{len(given)} boxes are too many: ask about {MAX_PARTS} at most")
    found = (box_of(sides) for sides in given)
    return tuple(box for box in found if box is not None)


def sent_bytes(picture: object) -> bytes:
    """A file that came with the request.

    Gradio hands on whatever path a program names. Only what was uploaded here is read: it lies in a folder
    whose name is the hash of its bytes, so that nobody can name a file that they do not have.

    Raises:
        ImageError: it is no such file, or too large.
    """
    named = picture.get("path") if isinstance(picture, dict) else None
    uploaded = Path(os.environ["GRADIO_TEMP_DIR"]).resolve()
    path = Path(named).resolve() if isinstance(named, str) and "\0" not in named else uploaded
    if path.parent.parent != uploaded or not HASH.fullmatch(path.parent.name) or not path.is_file():
        raise ImageError("send the picture as a file: gradio_client's handle_file does")
    if path.stat().st_size > MAX_SENT:
        raise ImageError(f"the picture is larger than {MAX_SENT // 2**20} MB: give a smaller one")
    return path.read_bytes()


def text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise SettingsError(f"{name} is {value!r}: it must be text")
    return value


def whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_SEED:
        raise SettingsError(f"{name} is {value!r}: it must be a whole number from 0 to {MAX_SEED:,}")
    return value


def number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingsError(f"{name} is {value!r}: it must be a number")
    return float(value)


def count(value: object, name: str) -> int | None:
    if value is not None and whole(value, name) < 1:
        raise SettingsError(f"{name} is {value!r}: it must be at least 1")
    return None if value is None else whole(value, name)

"""Answered runs, for tests of what is done with them."""

from __future__ import annotations

from dataclasses import replace

from PIL import Image

from app.runs.run import Picture, Run, parts_of
from attribution.engine import attribute
from attribution.query import Box, Settings
from attribution.results import Attribution
from attribution.workspace.workspace import Workspace
from tests.worlds.rankings import with_caption

METHODS = ("pixel", "random")
CAPTION = "a motorcycle and a stop sign on a road"
LEFT, RIGHT = Box(0, 0.25, 0.5, 1), Box(0.5, 0.25, 1, 1)


def answered_run(
    workspace: Workspace,
    boxes: tuple[Box, ...] = (),
    caption: str = CAPTION,
    methods: tuple[str, ...] = METHODS,
    settings: Settings | None = None,
    generated: bool = True,
) -> Run:
    """A training image taken for a picture, really attributed."""
    settings = settings or Settings(effort="instant")
    image = workspace.prepared(workspace.training_set.image(3))
    made = {
        "prompt": caption, "negative_prompt": "", "seed": 7, "steps": 30, "guidance": 2.0,
        "model": workspace.fingerprints["model"],
    }  # fmt: skip
    picture = Picture(image, caption, made) if generated else Picture(image, "", {}, (300, 200))
    run = Run(picture, caption, methods, settings, parts_of(image, caption, boxes))
    for number, part in enumerate(run.parts):
        *_, answer = attribute(workspace, part.query, methods, settings)
        assert isinstance(answer, Attribution)
        run = run.with_part(number, rankings=answer.rankings, attribution=answer)
    return run


def with_captions(run: Run, caption: str) -> Run:
    """The same with every caption replaced."""
    for number, part in enumerate(run.parts):
        assert part.attribution is not None
        rankings = {name: with_caption(ranking, caption) for name, ranking in part.rankings.items()}
        answer = replace(part.attribution, rankings=rankings)
        query = replace(part.query, caption=caption)
        run = run.with_part(number, rankings=rankings, attribution=answer, query=query)
    return replace(run, caption=caption, picture=replace(run.picture, caption=caption))


def solid(colour: str, side: int = 64) -> Image.Image:
    return Image.new("RGB", (side, side), colour)

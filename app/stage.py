"""The picture and the box on it, drawn, typed or moved by keys, and what the model will use of it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from PIL import Image

from app.assets import script
from app.pictures import data_uri
from app.sessions import Picture
from attribution.errors import BoxError
from attribution.query import Box

Grid = tuple[int, int]  # (height, width) in latent cells
LARGE, SMALL = 640, 128  # pixels of the picture and of its crop
NO_GRID: Grid = (1, 1)  # until there is a picture, and with it a model


@dataclass(frozen=True)
class Stage:
    """The panel's components."""

    view: gr.HTML
    crop: gr.HTML
    sides: tuple[gr.Number, gr.Number, gr.Number, gr.Number]
    clear: gr.Button
    legend: gr.HTML
    save: gr.DownloadButton


def build_stage() -> Stage:
    view = gr.HTML(
        value=stage_view(None, None, NO_GRID),
        html_template='<div class="stage-host"></div>',
        js_on_load=script("stage.js"),
        apply_default_css=False,
        elem_id="stage",
    )
    with gr.Row(elem_id="legend-row"):
        line = gr.HTML(legend(None), apply_default_css=False, elem_id="legend", js_on_load=None)
        save = gr.DownloadButton("Save", size="sm", interactive=False, min_width=0, elem_id="save-picture")
    with gr.Row(elem_id="crop-row"):
        crop = gr.HTML(
            crop_view(None, None, NO_GRID), apply_default_css=False, elem_id="crop", js_on_load=None
        )
        clear = gr.Button("Clear", size="sm", elem_id="clear-box", interactive=False, min_width=0)
    with gr.Accordion("Type the box", open=False, elem_id="typed-box"), gr.Row():
        names = ("Left", "Top", "Right", "Bottom")
        left, top, right, bottom = (
            gr.Number(
                None,
                label=name,
                step=0.01,
                min_width=60,
                elem_id=f"box-{name.lower()}",
            )
            for name in names
        )
    return Stage(view, crop, (left, top, right, bottom), clear, line, save)


def box_of(sides: Sequence[Any]) -> Box | None:
    """The box of four typed or drawn sides; None if none is given.

    Raises:
        BoxError: only some are given, or they make no box.
    """
    if all(side is None for side in sides):
        return None
    if len(sides) != 4 or not all(isinstance(side, int | float) for side in sides):
        raise BoxError("the box needs all four sides: left, top, right and bottom")
    left, top, right, bottom = (float(side) for side in sides)
    return Box(left, top, right, bottom)


def stage_view(picture: Picture | None, box: Box | None, grid: Grid) -> dict[str, Any]:
    """What stage.js draws."""
    return {
        "src": None if picture is None else data_uri(picture.image, LARGE),
        "alt": "" if picture is None else picture.caption or "the picture that was dropped in",
        "box": None if box is None else list(box.as_tuple()),
        "snapped": None if box is None else list(box.snapped(*grid).as_tuple()),
        "grid": list(grid),
    }


def crop_view(picture: Picture | None, box: Box | None, grid: Grid) -> str:
    """The crop that the model will use, and its size in words."""
    if picture is None:
        return '<div class="crop"><span class="crop-picture"></span><p>No picture yet.</p></div>'
    if box is None:
        words = "<strong>The whole picture</strong> will be traced. Draw on it to ask about a part."
        return _crop(picture.image, words)
    (left, top, right, bottom), snapped = box.cells(*grid), box.snapped(*grid)
    words = (
        "<strong>This part</strong> will be traced: your box snapped outwards to "
        f"{right - left} × {bottom - top} of the model's {grid[1]} × {grid[0]} cells."
    )
    return _crop(snapped.crop(picture.image), words)


def _crop(image: Image.Image, words: str) -> str:
    crop = f'<img class="crop-picture" src="{data_uri(image, SMALL)}" alt="">'
    return f'<div class="crop">{crop}<p>{words}</p></div>'


def legend(picture: Picture | None) -> str:
    """The line under the picture: its caption and how it was made."""
    if picture is None:
        return '<p class="legend">&nbsp;</p>'
    made = picture.made
    facts = []
    if "seed" in made:
        facts.append(f"seed {made['seed']}")
    if "steps" in made:
        facts.append(f"{made['steps']} steps")
    if "guidance" in made:
        facts.append(f"guidance {made['guidance']:g}")
    if picture.original_size is not None:
        width, height = picture.original_size
        square = "" if width == height else ", cut to its centre square"
        facts.append(f"your picture, {width} × {height}{square}")
    caption = f"<q>{html.escape(picture.caption)}</q> " if picture.caption else ""
    return f'<p class="legend">{caption}<small>{html.escape(" · ".join(facts))}</small></p>'

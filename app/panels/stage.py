"""The picture and the boxes on it, drawn, typed or moved by keys, and what the model will use of it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

import gradio as gr
from PIL import Image

from app.frontend.assets import script
from app.runs.run import MAX_PARTS, Picture
from app.views.pictures import data_uri
from attribution.errors import BoxError
from attribution.query import Box

Grid = tuple[int, int]  # (height, width) in latent cells
LARGE, SMALL = 640, 128  # pixels of the picture and of its crop
NO_GRID: Grid = (1, 1)  # until there is a picture, and with it a model


@dataclass(frozen=True)
class Stage:
    """The panel's components."""

    view: gr.HTML
    parts: gr.HTML
    sides: tuple[gr.Number, gr.Number, gr.Number, gr.Number]
    clear: gr.Button
    legend: gr.HTML
    save: gr.DownloadButton


def build_stage() -> Stage:
    view = gr.HTML(
        value=stage_view(None, (), 0, NO_GRID),
        html_template='<div class="stage-host"></div>',
        js_on_load=script("stage.js"),
        apply_default_css=False,
        elem_id="stage",
    )
    with gr.Row(elem_id="legend-row"):
        line = gr.HTML(legend(None), apply_default_css=False, elem_id="legend", js_on_load=None)
        save = gr.DownloadButton("Save", size="sm", interactive=False, min_width=0, elem_id="save-picture")
    with gr.Row(elem_id="parts-row"):
        parts = gr.HTML(
            parts_view(None, (), 0, NO_GRID),
            js_on_load=script("parts.js"),
            apply_default_css=False,
            elem_id="parts",
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
    return Stage(view, parts, (left, top, right, bottom), clear, line, save)


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


def stage_view(picture: Picture | None, boxes: Sequence[Box], active: int, grid: Grid) -> dict[str, Any]:
    """What stage.js draws."""
    return {
        "src": None if picture is None else data_uri(picture.image, LARGE),
        "alt": "" if picture is None else picture.caption or "the picture that was dropped in",
        "boxes": [
            {"label": label, "box": list(box.as_tuple()), "snapped": list(box.snapped(*grid).as_tuple())}
            for label, box in zip(ascii_uppercase, boxes, strict=False)
        ],
        "active": active,
        "most": MAX_PARTS,
        "grid": list(grid),
    }


def preview_view(image: Image.Image, words: str) -> dict[str, Any]:
    """A picture that is still being made: nothing can be drawn on it yet."""
    return {
        "src": data_uri(image, LARGE),
        "alt": words,
        "boxes": [],
        "grid": list(NO_GRID),
        "preview": True,
    }


def parts_view(picture: Picture | None, boxes: Sequence[Box], active: int, grid: Grid) -> str:
    """What will be traced: the crop of each part as the model will use it, or the whole picture."""
    if picture is None:
        return '<div class="parts"><p>No picture yet.</p></div>'
    if not boxes:
        words = "<strong>The whole picture</strong> will be traced. Draw on it to ask about a part."
        return f'<div class="parts"><div class="part">{_crop(picture.image)}<p>{words}</p></div></div>'
    if len(boxes) == 1:
        words = f"<strong>This part</strong> will be traced: {_cells(boxes[0], grid)}."
        crop = _crop(boxes[0].snapped(*grid).crop(picture.image))
        more = _add(active >= len(boxes))
        return f'<div class="parts"><div class="part">{crop}<p>{words}</p>{more}</div></div>'
    chips = "".join(_chip(picture, number, box, number == active, grid) for number, box in enumerate(boxes))
    more = "" if len(boxes) >= MAX_PARTS else _add(active >= len(boxes))
    return f'<div class="parts"><ul class="part-chips">{chips}<li>{more}</li></ul></div>'


def _chip(picture: Picture, number: int, box: Box, active: bool, grid: Grid) -> str:
    label, pressed = ascii_uppercase[number], "true" if active else "false"
    crop = _crop(box.snapped(*grid).crop(picture.image))
    return (
        f'<li class="part-chip"><button type="button" data-do="choose" data-index="{number}" '
        f'aria-pressed="{pressed}" aria-label="Part {label}: {html.escape(_cells(box, grid))}">{crop}'
        f"<b>{label}</b></button>"
        f'<button type="button" class="part-remove" data-do="remove" data-index="{number}" '
        f'aria-label="Remove part {label}">×</button></li>'
    )


def _add(adding: bool) -> str:
    words, pressed = ("Now draw it", "true") if adding else ("Add a part", "false")
    button = '<button type="button" class="part-add" data-do="another"'
    return f'{button} aria-pressed="{pressed}">{words}</button>'


def _cells(box: Box, grid: Grid) -> str:
    left, top, right, bottom = box.cells(*grid)
    return (
        f"your box snapped outwards to {right - left} × {bottom - top} of the model's "
        f"{grid[1]} × {grid[0]} cells"
    )


def _crop(image: Image.Image) -> str:
    return f'<img class="crop-picture" src="{data_uri(image, SMALL)}" alt="">'


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

"""The picture on the page, the boxes on it, and what the model will use of it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

from PIL import Image

from app.runs.run import MAX_PARTS, Picture
from app.views.pictures import data_uri
from attribution.query import Box

LatentGrid = tuple[int, int]  # (height, width) in latent cells
LARGE, SMALL = 640, 128  # pixels of the picture and of its crop
NO_GRID: LatentGrid = (1, 1)  # until there is a picture, and with it a model


def stage_view(
    picture: Picture | None, boxes: Sequence[Box], active: int, grid: LatentGrid
) -> dict[str, Any]:
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


def parts_view(picture: Picture | None, boxes: Sequence[Box], active: int, grid: LatentGrid) -> str:
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


def _chip(picture: Picture, number: int, box: Box, active: bool, grid: LatentGrid) -> str:
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


def _cells(box: Box, grid: LatentGrid) -> str:
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

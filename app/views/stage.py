"""The picture on the page, the boxes on it, and what the model will use of it."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

from PIL import Image

from app.frontend.templates import render
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
    parts: list[dict[str, Any]] = []
    if picture is not None:
        for label, box in zip(ascii_uppercase, boxes, strict=False):
            crop = box.snapped(*grid).crop(picture.image)
            parts.append({"label": label, "picture": data_uri(crop, SMALL), "cells": _cells(box, grid)})
    return render(
        "parts.html",
        whole=None if picture is None else {"picture": data_uri(picture.image, SMALL)},
        parts=parts,
        active=active,
        adding=active >= len(boxes),
        free=len(boxes) < MAX_PARTS,
    )


def _cells(box: Box, grid: LatentGrid) -> str:
    left, top, right, bottom = box.cells(*grid)
    return (
        f"your box snapped outwards to {right - left} × {bottom - top} of the model's "
        f"{grid[1]} × {grid[0]} cells"
    )


def legend(picture: Picture | None, made_square: str = "") -> str:
    """The line under the picture: its caption and how it was made.

    Args:
        made_square: what the model's preparation does to a picture that is not square, in words.
    """
    if picture is None:
        return render("legend.html", caption="", facts=None)
    made, facts = picture.made, []
    if "seed" in made:
        facts.append(f"seed {made['seed']}")
    if "steps" in made:
        facts.append(f"{made['steps']} steps")
    if "guidance" in made:
        facts.append(f"guidance {made['guidance']:g}")
    if picture.original_size is not None:
        width, height = picture.original_size
        square = "" if width == height else f", {made_square}"
        facts.append(f"your picture, {width} × {height}{square}")
    return render("legend.html", caption=picture.caption, facts=facts)

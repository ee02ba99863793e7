"""Boxes as a person, a program or a saved picture gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from app.runs.run import MAX_PARTS, Run
from attribution.errors import BoxError
from attribution.query import Box


def box_of_sides(sides: Sequence[Any]) -> Box | None:
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


def with_box(boxes: tuple[Box, ...], number: int, box: Box | None) -> tuple[Box, ...]:
    """The boxes with one in the place of another, at the end, or nothing in its place."""
    placed = () if box is None else (box,)
    return (*boxes[:number], *placed, *boxes[number + 1 :])


def boxes_of_settings(settings: Mapping[str, Any]) -> tuple[Box, ...]:
    """The parts that were marked when a picture was saved."""
    return tuple(Box(*map(float, sides)) for sides in settings.get("boxes", ())[:MAX_PARTS])


def boxes_of_run(run: Run) -> tuple[Box, ...]:
    """The boxes that a run asked about; none if it was the whole picture."""
    return tuple(part.query.box for part in run.parts if part.query.box is not None)

"""Laws of boxes that a person types or draws."""

from __future__ import annotations

import pytest

from app.runs.boxes import box_of_sides
from attribution.errors import BoxError
from attribution.query import Box


def test_four_empty_sides_are_the_whole_picture_and_some_are_an_error() -> None:
    assert box_of_sides([None] * 4) is None
    assert box_of_sides([0, 0.25, 0.5, 1]) == Box(0, 0.25, 0.5, 1)
    for sides in ([0.1, None, 0.5, 0.5], [0.5, 0, 0.1, 1], [0, 0, 2, 1], [0, 0, 1], ["0", 0, 1, 1]):
        with pytest.raises(BoxError):
            box_of_sides(sides)

"""Laws of preparing pictures and boxes for the model."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from attribution.data.preprocessing import box_in_prepared, prepared
from attribution.errors import BoxError
from attribution.query import Box


def speckles(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def test_a_picture_of_the_right_size_is_left_alone() -> None:
    square = speckles(16, 16)
    assert np.array_equal(np.asarray(prepared(square, 16)), np.asarray(square))


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (64, 40)])
def test_prepared_is_the_centre_square(size: tuple[int, int]) -> None:
    width, height = size
    side = min(size)
    left, top = (width - side) // 2, (height - side) // 2
    image = Image.new("RGB", size, "black")
    image.paste("white", (left, top, left + side, top + side))
    result = np.asarray(prepared(image, 16))
    assert result.shape == (16, 16, 3)
    assert np.median(result) == 255
    assert result.min() > 235  # what lies outside the square is not seen, but for the filter's ringing


def test_a_box_and_a_picture_are_prepared_alike() -> None:
    """Law: A box and the picture around it are prepared alike.

    The box's contents are the same whether cropped before or after.
    """
    image = Image.new("RGB", (96, 64), "white")
    image.paste("black", (32, 16, 64, 48))
    box = box_in_prepared(Box(32 / 96, 16 / 64, 64 / 96, 48 / 64), image.size)
    assert box == Box(0.25, 0.25, 0.75, 0.75)
    inside = np.asarray(box.crop(prepared(image, 32)))
    assert inside[1:-1, 1:-1].max() < 30
    assert inside.shape == (16, 16, 3)


def test_a_box_on_a_square_picture_stays_as_it_is() -> None:
    assert box_in_prepared(Box(0.1, 0.2, 0.3, 0.9), (50, 50)).as_tuple() == pytest.approx(
        (0.1, 0.2, 0.3, 0.9)
    )


def test_a_box_is_clipped_to_what_the_model_sees() -> None:
    assert box_in_prepared(Box(0, 0, 1, 1), (300, 100)) == Box(0, 0, 1, 1)
    assert box_in_prepared(Box(0, 0, 0.5, 1), (200, 100)) == Box(0, 0, 0.5, 1)


def test_a_box_wholly_outside_what_the_model_sees_is_refused() -> None:
    with pytest.raises(BoxError, match="outside the centre square"):
        box_in_prepared(Box(0, 0, 0.3, 1), (300, 100))

"""Laws of preparing pictures and boxes for the model."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from attribution.data.preprocessing import CROPS, Preparation
from attribution.errors import BoxError, SettingsError
from attribution.query import Box

CENTRE, PADDED, SQUASHED = Preparation(), Preparation("pad"), Preparation("squash")


def speckles(width: int, height: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("crop", CROPS)
def test_a_square_picture_is_the_same_however_others_are_made_square(crop: str) -> None:
    """Law: How pictures are made square does not touch those that are."""
    square = speckles(16, 16)
    assert Preparation(crop).prepared(square, 16).tobytes() == square.tobytes()
    larger = speckles(48, 48)
    assert Preparation(crop).prepared(larger, 16).tobytes() == CENTRE.prepared(larger, 16).tobytes()


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (64, 40)])
def test_prepared_is_the_centre_square(size: tuple[int, int]) -> None:
    width, height = size
    side = min(size)
    left, top = (width - side) // 2, (height - side) // 2
    image = Image.new("RGB", size, "black")
    image.paste("white", (left, top, left + side, top + side))
    result = np.asarray(CENTRE.prepared(image, 16))
    assert result.shape == (16, 16, 3)
    assert np.median(result) == 255
    assert result.min() > 235  # what lies outside the square is not seen, but for the filter's ringing


@pytest.mark.parametrize(
    ("crop", "expected"),
    [
        ("center", Box(0.25, 0.25, 0.75, 0.75)),
        ("pad", Box(1 / 3, 1 / 3, 2 / 3, 2 / 3)),
        ("squash", Box(1 / 3, 0.25, 2 / 3, 0.75)),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_a_box_and_a_picture_are_prepared_alike(crop: str, expected: Box, turned: bool) -> None:
    """Law: A box and the picture around it are prepared alike.

    The box's contents are the same whether cropped before or after.
    """
    image = Image.new("RGB", (96, 64), "white")
    image.paste("black", (32, 16, 64, 48))
    box, sides = Box(32 / 96, 16 / 64, 64 / 96, 48 / 64), expected.as_tuple()
    if turned:
        image = image.transpose(Image.Transpose.TRANSPOSE)
        box = Box(*(box.as_tuple()[side] for side in (1, 0, 3, 2)))
        sides = tuple(sides[side] for side in (1, 0, 3, 2))
    found = Preparation(crop).box_in_prepared(box, image.size)
    assert found.as_tuple() == pytest.approx(sides)
    inside = np.asarray(found.crop(Preparation(crop).prepared(image, 48)))
    assert inside[1:-1, 1:-1].max() < 30
    assert inside.shape[:2] == tuple(round(48 * (sides[k + 2] - sides[k])) for k in (1, 0))


def test_padding_is_black_on_both_sides_and_squashing_keeps_all() -> None:
    image = Image.new("RGB", (40, 20), "white")
    padded = np.asarray(PADDED.prepared(image, 16))
    assert padded[:4].max() == padded[12:].max() == 0
    assert padded[4:12].min() == 255
    assert np.asarray(SQUASHED.prepared(image, 16)).min() == 255
    assert PADDED.prepared(Image.new("RGB", (900, 2)), 16).size == (16, 16)


def test_only_a_box_that_the_crop_cuts_off_is_refused() -> None:
    corner = Box(0, 0, 0.1, 1)
    assert PADDED.box_in_prepared(corner, (300, 100)).as_tuple() == pytest.approx((0, 1 / 3, 0.1, 2 / 3))
    assert SQUASHED.box_in_prepared(corner, (300, 100)) == corner


@pytest.mark.parametrize("crop", ["bucket", "random", "none", "Center"])
def test_a_crop_that_cannot_be_had_is_refused_with_what_can(crop: str) -> None:
    with pytest.raises(SettingsError, match=rf"crop '{crop}': .*choose one of center, pad, squash"):
        Preparation(crop)


def test_a_box_on_a_square_picture_stays_as_it_is() -> None:
    assert CENTRE.box_in_prepared(Box(0.1, 0.2, 0.3, 0.9), (50, 50)).as_tuple() == pytest.approx(
        (0.1, 0.2, 0.3, 0.9)
    )


def test_a_box_is_clipped_to_what_the_model_sees() -> None:
    assert CENTRE.box_in_prepared(Box(0, 0, 1, 1), (300, 100)) == Box(0, 0, 1, 1)
    assert CENTRE.box_in_prepared(Box(0, 0, 0.5, 1), (200, 100)) == Box(0, 0, 0.5, 1)


def test_a_box_wholly_outside_what_the_model_sees_is_refused() -> None:
    with pytest.raises(BoxError, match="outside the centre square"):
        CENTRE.box_in_prepared(Box(0, 0, 0.3, 1), (300, 100))

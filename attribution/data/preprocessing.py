"""What the model sees of a picture: its centre square, and where a box of the picture lies in it."""

from __future__ import annotations

from PIL import Image

from attribution.errors import BoxError
from attribution.query import Box


def prepared(image: Image.Image, size: int) -> Image.Image:
    """The centre square, `size` x `size`, RGB: what the model sees of a picture.

    The shorter side comes to `size`. The same for training images and queries.
    """
    image = image.convert("RGB")
    if image.size == (size, size):
        return image
    return image.resize((size, size), Image.Resampling.LANCZOS, box=_centre_square(image.size))


def _centre_square(size: tuple[int, int]) -> tuple[float, float, float, float]:
    """(left, top, right, bottom) in pixels."""
    width, height = size
    side = min(size)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def box_in_prepared(box: Box, image_size: tuple[int, int]) -> Box:
    """A box of an upload of (width, height) as a box of its `prepared` square, clipped to it.

    Raises:
        BoxError: the box lies wholly in what the centre crop cuts off.
    """
    left, top, right, _ = _centre_square(image_size)
    side = right - left
    (width, height), (x0, y0, x1, y1) = image_size, box.as_tuple()
    mapped = [(x0 * width - left) / side, (y0 * height - top) / side]
    mapped += [(x1 * width - left) / side, (y1 * height - top) / side]
    x0, y0, x1, y1 = (min(max(value, 0.0), 1.0) for value in mapped)
    if x0 >= x1 or y0 >= y1:
        raise BoxError(
            f"box {' '.join(f'{value:g}' for value in box.as_tuple())} lies outside the centre square, "
            "which is all that the model sees of this picture: move it inwards"
        )
    return Box(x0, y0, x1, y1)

"""Where a training image was forgotten, laid over it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from PIL import Image

HIGHLIGHT = (240, 96, 20)  # rises
STRONGEST = 0.72  # opacity of a strong rise
LEVEL = 0.5  # of a strong rise: where the contour runs
STRONG = (
    0.98  # share of cells that rose less than what is shown as strongest: one cell must not hide the rest
)
EDGE, LINE = (20, 16, 12), (255, 255, 255)  # of the contour: seen on light and on dark


def overlaid(image: Image.Image, rises: Float[ndarray, "h w"]) -> Image.Image:
    """The picture in grey, with the cells whose loss rose in colour, and a line around the strongest.

    Grey, so that the colour means one thing alone, also on a red object. Falls are left uncoloured.
    """
    grey = np.asarray(image.convert("L"), dtype=np.float64)[..., None].repeat(3, axis=2)
    strong = max(float(np.quantile(rises, STRONG)), np.finfo(float).tiny)
    share = Image.fromarray((255 * np.clip(rises / strong, 0, 1)).astype(np.uint8))
    smooth = np.asarray(share.resize(image.size, Image.Resampling.BICUBIC), dtype=np.float64) / 255
    opacity = STRONGEST * smooth[..., None]
    mixed = grey * (1 - opacity) + np.asarray(HIGHLIGHT, dtype=np.float64) * opacity
    inside = smooth > LEVEL
    width = max(1, round(min(image.size) / 180))
    mixed[_ring(inside, 2 * width) & ~inside] = EDGE
    mixed[_ring(inside, width) & ~inside] = LINE
    return Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8))


def _ring(inside: Bool[ndarray, "h w"], width: int) -> Bool[ndarray, "h w"]:
    """What lies within `width` pixels of an area, the area included."""
    grown = inside
    for _ in range(width):
        padded = np.pad(grown, 1)
        grown = grown | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return grown

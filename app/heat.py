"""Where a training image was forgotten, laid over it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from PIL import Image

WARM = (233, 84, 32)  # rises
STRONGEST = 0.82  # opacity of the largest rise
VEIL = 0.35  # how far the picture fades towards grey where nothing rose


def overlaid(image: Image.Image, rises: Float[ndarray, "h w"]) -> Image.Image:
    """The picture, faded, with the cells whose loss rose in colour; falls are left uncoloured."""
    picture = np.asarray(image.convert("RGB"), dtype=np.float64)
    grey = picture.mean(axis=2, keepdims=True)
    faded = picture + VEIL * (grey - picture)
    largest = max(float(rises.max()), np.finfo(float).tiny)
    share = Image.fromarray((255 * np.clip(rises / largest, 0, 1)).astype(np.uint8))
    smooth = share.resize(image.size, Image.Resampling.BICUBIC)
    opacity = STRONGEST * np.asarray(smooth, dtype=np.float64)[..., None] / 255
    mixed = faded * (1 - opacity) + np.asarray(WARM, dtype=np.float64) * opacity
    return Image.fromarray(mixed.round().clip(0, 255).astype(np.uint8))

"""Raw pixels: a small copy of the picture, its mean taken out of each channel. Needs no checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image

from attribution.encoders.base import EncoderReader, Vectors, pixel_batch, unit_rows
from attribution.errors import UnknownNameError

SIDE = 8  # pixels; 192 numbers a picture


class PixelEncoder:
    """Vectors whose cosine is the correlation of two small pictures."""

    fingerprint = f"rgb-{SIDE}x{SIDE}-box-mean-subtracted"

    def images(self, images: Sequence[Image.Image]) -> Vectors:
        pixels = pixel_batch(images, SIDE, (0, 0, 0), (1, 1, 1), Image.Resampling.BOX)
        centred = pixels - pixels.mean(dim=(2, 3), keepdim=True)
        return unit_rows(torch.flatten(centred, 1))

    def captions(self, captions: Sequence[str]) -> Vectors:
        raise UnknownNameError("the pixel encoder has no text")


def open_pixels(source: str, device: str) -> PixelEncoder:
    """Nothing is read; both arguments are those of every encoder."""
    return PixelEncoder()


ENCODERS = (EncoderReader("pixel", None, False, open_pixels, checkpoint=False),)

"""Pictures as a screen wants them. The true pixels are in the file that Save gives."""

from __future__ import annotations

import base64
import io
import math

from PIL import Image

MEDIA_TYPE = "image/webp"
QUALITY = 92


def on_screen(image: Image.Image, side: int) -> bytes:
    """WebP bytes, the longer side at most `side`, and about that for small pictures.

    A browser blurs a picture of 64 pixels when it enlarges it sixfold; Lanczos keeps its edges.
    """
    longest = max(image.size)
    if longest > side:
        image = image.copy()
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    elif longest < side:
        factor = math.ceil(side / longest)
        larger = (image.width * factor, image.height * factor)
        image = image.resize(larger, Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, format="WEBP", quality=QUALITY)
    return out.getvalue()


def data_uri(image: Image.Image, side: int) -> str:
    return f"data:{MEDIA_TYPE};base64,{base64.b64encode(on_screen(image, side)).decode()}"

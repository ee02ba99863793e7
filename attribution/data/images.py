"""Pictures in and out: files are read with suspicion, and written with their settings.

A file may come from anyone, so its kind, its size in bytes and in pixels are checked before it is
decoded, and what is returned is pixels alone: no metadata, no profile, no second frame.
"""

from __future__ import annotations

import io
import json
import math
import warnings
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError

from attribution.errors import BoxError, ImageError
from attribution.query import Box

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_BYTES = 64 * 2**20
MAX_PIXELS = 40_000_000
MAX_SCANS = 64  # of a progressive JPEG, each of which is a pass over all pixels; usual are ten
SETTINGS_KEY = "whence"  # of the PNG text chunk that holds how a picture was made
MAX_SETTINGS = 20_000  # characters
_SETTING_TYPES: dict[str, type | tuple[type, ...]] = {
    "prompt": str,
    "negative_prompt": str,
    "seed": int,
    "steps": int,
    "guidance": (int, float),
    "model": str,
    "boxes": list,
}
MAX_BOXES = 16  # that a file may carry


def read_image(
    source: Path | str | bytes, named: str = "the picture"
) -> tuple[Image.Image, dict[str, Any]]:
    """An RGB picture, upright and opaque, and the settings it was made with ({} if not by us).

    Args:
        named: what errors call bytes; a file is called by its name.

    Raises:
        ImageError: it is missing, too large, not a PNG, JPEG or WEBP, or damaged.
    """
    name = named if isinstance(source, bytes) else f"{str(source)!r}"
    data = source if isinstance(source, bytes) else file_bytes(Path(source))
    try:
        with warnings.catch_warnings():
            # The pixel limit below is ours; Pillow's own must not print as well.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                _check_pixels(opened.size, name)
                if opened.format == "JPEG" and scans(data) > MAX_SCANS:
                    raise ImageError(f"{name} is a JPEG of {scans(data):,} scans: save it anew, as a PNG")
                settings = _settings_of(opened)
                opened.load()
                upright = ImageOps.exif_transpose(opened)
                return _opaque_rgb(upright), settings
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(f"{name} is not an image: give a PNG, JPEG or WEBP file") from None
    except Image.DecompressionBombError:
        raise _too_many_pixels(name) from None
    except Exception as problem:  # a decoder that is fed a hostile file may raise anything
        raise ImageError(f"{name} is cut short or damaged and cannot be decoded") from problem


class Fault(Enum):
    """Why a file cannot be a training picture."""

    FOREIGN = "not a PNG, JPEG or WEBP"
    DAMAGED = "cut short or damaged"
    TOO_LARGE = "of too many bytes or pixels"


def fault_of(data: bytes) -> Fault | None:
    """What `read_image` would refuse a file for, if anything. A JPEG is decoded small, which is quicker."""
    if len(data) > MAX_BYTES:
        return Fault.TOO_LARGE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                if opened.size[0] * opened.size[1] > MAX_PIXELS:
                    return Fault.TOO_LARGE
                if opened.format == "JPEG" and scans(data) > MAX_SCANS:
                    return Fault.DAMAGED
                opened.draft("RGB", (1, 1))
                opened.load()
    except UnidentifiedImageError:
        return Fault.FOREIGN
    except Image.DecompressionBombError:
        return Fault.TOO_LARGE
    except Exception:  # a decoder that is fed a hostile file may raise anything
        return Fault.DAMAGED
    return None


def file_bytes(path: Path) -> bytes:
    """The bytes of a file that may be a picture.

    Raises:
        ImageError: it is missing, a folder, too large or cannot be read.
    """
    name = f"{str(path)!r}"
    try:
        if path.is_dir():
            raise ImageError(f"{name} is a folder: give a PNG, JPEG or WEBP file")
        if path.stat().st_size > MAX_BYTES:
            raise ImageError(f"{name} is larger than {MAX_BYTES // 2**20} MB: give a smaller picture")
        return path.read_bytes()
    except FileNotFoundError:
        raise ImageError(f"there is no file {name}") from None
    except (OSError, ValueError) as problem:  # ValueError: a null byte in the name
        reason = getattr(problem, "strerror", None) or str(problem)
        raise ImageError(f"{name} cannot be read: {reason}") from None


def scans(data: bytes) -> int:
    """Of a JPEG, at most: a file of 40 million pixels in thousands of scans would hold a core for minutes.

    In what is entropy-coded, a byte of ones is never followed by this one; in metadata it may be.
    """
    return data.count(b"\xff\xda")


def _check_pixels(size: tuple[int, int], name: str) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise _too_many_pixels(name)


def _too_many_pixels(name: str) -> ImageError:
    return ImageError(f"{name} has more than {MAX_PIXELS // 10**6} million pixels: give a smaller one")


def _opaque_rgb(image: Image.Image) -> Image.Image:
    """Any mode => RGB on white, eight bits, nothing but pixels."""
    if image.mode.startswith("I") or image.mode == "F":  # 16-bit greys; Pillow's own conversion clips
        grey = np.asarray(image, dtype=np.float64)
        image = Image.fromarray((grey / 257).round().clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return Image.fromarray(np.asarray(image.convert("RGB")))


def _settings_of(image: Image.Image) -> dict[str, Any]:
    text = getattr(image, "text", {}).get(SETTINGS_KEY, "") if image.format == "PNG" else ""
    if not 0 < len(text) <= MAX_SETTINGS:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or not isinstance(found.get("prompt"), str):
        return {}
    return {key: found[key] for key in _SETTING_TYPES if key in found and _plausible(key, found[key])}


def _plausible(key: str, value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, _SETTING_TYPES[key]):
        return False
    if isinstance(value, list):
        return len(value) <= MAX_BOXES and all(map(_is_box, value))
    return isinstance(value, str) or (math.isfinite(value) and 0 <= value < 2**63)  # type: ignore[operator, arg-type]


def _is_box(sides: object) -> bool:
    if not isinstance(sides, list) or len(sides) != 4:
        return False
    if not all(isinstance(side, int | float) and not isinstance(side, bool) for side in sides):
        return False
    try:
        Box(*sides)
    except BoxError:
        return False
    return True


def write_png(image: Image.Image, to: Path | str | io.BytesIO, settings: Mapping[str, Any]) -> None:
    """Write a picture with the settings that made it, so that dropping it back in restores them."""
    info = PngImagePlugin.PngInfo()
    info.add_text(SETTINGS_KEY, json.dumps(dict(settings)))
    image.save(to, format="PNG", pnginfo=info)

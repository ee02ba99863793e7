"""Styles that the embedded world has never seen: operations on whole pictures, each without chance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageChops, ImageFilter, ImageOps

from demo.scenes import SIZE

Style = Callable[[Image.Image], Image.Image]
Colour = tuple[int, int, int]

INK, PAPER = (24, 26, 34), (246, 240, 226)


def halftone(picture: Image.Image) -> Image.Image:
    """Black dots on paper, larger where it is darker."""
    return _printed(_darkness(picture) > _dots(4), INK, PAPER)


def woodcut(picture: Image.Image) -> Image.Image:
    """Slanted strokes, as wide as it is dark, between outlines."""
    x, y = _places()
    strokes = np.abs(((x + 2 * y) / 6) % 1 - 0.5) * 2
    dark = (_darkness(picture) * 1.1 > strokes) | (_outlines(picture) > 0.25)
    return _printed(dark, (52, 28, 20), (236, 206, 158))


def mosaic(picture: Image.Image) -> Image.Image:
    """Tiles of one colour between grey joints."""
    side = 4
    tiles = picture.resize((SIZE // side, SIZE // side), Image.Resampling.BOX)
    laid = np.asarray(tiles.resize((SIZE, SIZE), Image.Resampling.NEAREST)).copy()
    x, y = _places()
    laid[(x % side == 0) | (y % side == 0)] = (96, 92, 88)
    return Image.fromarray(laid)


def pencil(picture: Image.Image) -> Image.Image:
    """Grey outlines and a little shade on white."""
    white = 1 - np.clip(2.2 * _outlines(picture), 0, 0.85) - 0.18 * _darkness(picture)
    return _grey(white)


def risograph(picture: Image.Image) -> Image.Image:
    """Two inks, one of which was printed out of place."""
    red, _, blue = picture.split()
    pink = ImageOps.colorize(ImageChops.offset(blue, 2, 1), (255, 72, 110), (255, 250, 240))
    teal = ImageOps.colorize(red, (0, 120, 140), (255, 250, 240))
    return ImageChops.multiply(pink, teal)


def thermal(picture: Image.Image) -> Image.Image:
    """Warmth in place of light: dark violet, red, yellow, white."""
    return ImageOps.colorize(ImageOps.grayscale(picture), (20, 0, 70), (255, 250, 200), mid=(230, 50, 40))


def stained_glass(picture: Image.Image) -> Image.Image:
    """Cells of one bright colour, set in lead."""
    rng = np.random.default_rng(0)
    cells = [(7 * k + rng.uniform(1, 6), 7 * j + rng.uniform(1, 6)) for k in range(10) for j in range(10)]
    x, y = _places()
    distances = np.stack([np.hypot(x - a, y - b) for a, b in cells])
    far, nearest = np.sort(distances, axis=0), distances.argmin(axis=0)
    bright, pixels = np.empty((SIZE, SIZE, 3)), np.asarray(picture, np.float64)
    for cell in np.unique(nearest):
        bright[nearest == cell] = np.clip((pixels[nearest == cell].mean(axis=0) - 128) * 1.5 + 140, 0, 255)
    bright[far[1] - far[0] < 1.2] = (20, 20, 24)
    return Image.fromarray(bright.round().astype(np.uint8))


def blueprint(picture: Image.Image) -> Image.Image:
    """White outlines and a grid on blue."""
    x, y = _places()
    grid = np.where((x % 8 == 0) | (y % 8 == 0), 0.16, 0.0)
    return _between(np.clip(2.6 * _outlines(picture) + grid, 0, 1), (22, 62, 140), (240, 246, 255))


def chalk(picture: Image.Image) -> Image.Image:
    """Pale outlines, smeared, on a green board."""
    lines = Image.fromarray((np.clip(2.4 * _outlines(picture), 0, 1) * 255).astype(np.uint8))
    smeared = np.asarray(lines.filter(ImageFilter.GaussianBlur(0.7)), np.float64) / 255
    light = np.clip(1.3 * smeared + 0.12 * (1 - _darkness(picture)), 0, 1)
    return _between(light, (30, 66, 50), (240, 240, 220))


def poster(picture: Image.Image) -> Image.Image:
    """Three flat tones of one colour."""
    tones = np.array([(66, 18, 74), (222, 74, 88), (252, 214, 150)], np.uint8)
    return Image.fromarray(tones[2 - np.minimum(2, (_darkness(picture) * 3.2).astype(int))])


def negative(picture: Image.Image) -> Image.Image:
    """Every colour turned into its opposite."""
    return ImageOps.invert(picture)


def scanlines(picture: Image.Image) -> Image.Image:
    """A green screen, every other line of it dark."""
    _, y = _places()
    light = (1 - _darkness(picture)) * np.where(y % 3 == 0, 0.35, 1.0)
    return _between(light, (2, 14, 6), (130, 255, 150))


STYLES: dict[str, Style] = {
    each.__name__.replace("_", " "): each
    for each in (
        halftone, woodcut, mosaic, pencil, risograph, thermal, stained_glass, blueprint, chalk, poster,
        negative, scanlines,
    )
}  # fmt: skip


def _places() -> tuple[Float[np.ndarray, "64 64"], Float[np.ndarray, "64 64"]]:
    """Each pixel's column and row."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float64)
    return x, y


def _darkness(picture: Image.Image) -> Float[np.ndarray, "64 64"]:
    """From 0, white, to 1."""
    return 1 - np.asarray(ImageOps.autocontrast(ImageOps.grayscale(picture)), np.float64) / 255


def _outlines(picture: Image.Image) -> Float[np.ndarray, "64 64"]:
    """How strong an edge each pixel lies on, from 0 to 1."""
    grey = np.asarray(ImageOps.autocontrast(ImageOps.grayscale(picture)), np.float64) / 255
    down, right = np.gradient(grey)
    strength: Float[np.ndarray, "64 64"] = np.clip(np.hypot(down, right), 0, 1)
    return strength


def _dots(side: int) -> Float[np.ndarray, "64 64"]:
    """Thresholds that draw a dot in each cell of a grid at 45 degrees, `side` pixels wide."""
    x, y = _places()
    across, along = (x + y) * np.pi / side, (x - y) * np.pi / side
    threshold: Float[np.ndarray, "64 64"] = (2 + np.cos(across) + np.cos(along)) / 4
    return threshold


def _printed(dark: np.ndarray, ink: Colour, paper: Colour) -> Image.Image:
    return Image.fromarray(np.where(dark[..., None], ink, paper).astype(np.uint8))


def _between(share: Float[np.ndarray, "64 64"], low: Colour, high: Colour) -> Image.Image:
    low_, high_ = np.array(low, np.float64), np.array(high, np.float64)
    return Image.fromarray((low_ + share[..., None] * (high_ - low_)).round().astype(np.uint8))


def _grey(white: Float[np.ndarray, "64 64"]) -> Image.Image:
    return _between(np.clip(white, 0, 1), (20, 20, 20), (255, 255, 255))

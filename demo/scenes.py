"""Emoji scenes: 64 x 64 pictures whose objects and places are known.

Scene `index` of a split is a pure function of (seed, split, index): scenes can be drawn without end,
in any order, and a longer set begins with the shorter one.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from demo.glyphs import load_glyphs
from demo.vocabulary import COLLECTIONS, GROUNDS, OBJECTS, STYLES, caption_of, withheld_pairs

SIZE = 64  # pixels
SCALE = 4  # grounds are drawn this much larger, then reduced
SINGLE_SHARE = 1 / 3
STYLED_SHARE = 1 / 6
FAVOUR = 4.0  # how much likelier a collection shows what it favours

Fraction4 = tuple[float, float, float, float]


@dataclass(frozen=True)
class Placed:
    """One object in a scene. `box` is (x0, y0, x1, y1) in fractions of the picture."""

    name: str
    box: Fraction4


@dataclass(frozen=True)
class Scene:
    """What a scene shows; the picture is drawn from it by `Painter`."""

    id: str
    objects: tuple[str, ...]
    ground: str
    style: str | None
    collection: str

    @property
    def caption(self) -> str:
        return caption_of(self.objects, self.ground, self.style)


def scene(index: int, seed: int = 0, split: str = "train") -> Scene:
    """Scene number `index` of a split. Withheld object pairs occur only in the split "unseen"."""
    rng = random.Random(f"{seed}/{split}/{index}")
    withheld = withheld_pairs()
    collection = rng.choice(list(COLLECTIONS))
    favoured, grounds = COLLECTIONS[collection]
    if split == "unseen":
        pair = rng.choice(sorted(sorted(p) for p in withheld))
        rng.shuffle(pair)
        objects: tuple[str, ...] = tuple(pair)
    else:
        weights = [FAVOUR if name in favoured else 1.0 for name in OBJECTS]
        count = 1 if rng.random() < SINGLE_SHARE else 2
        while True:
            objects = tuple(rng.choices(list(OBJECTS), weights, k=count))
            if count == 1 or (len(set(objects)) == 2 and frozenset(objects) not in withheld):
                break
    ground = rng.choices(GROUNDS, [FAVOUR / 2 if g in grounds else 1.0 for g in GROUNDS])[0]
    style = rng.choice(STYLES) if rng.random() < STYLED_SHARE else None
    return Scene(f"{split}-{index:05d}", objects, ground, style, collection)


class Painter:
    """Draws scenes from the shipped glyphs."""

    def __init__(self, glyph_folder: Path):
        self.glyphs = load_glyphs(glyph_folder)

    def paint(self, scene: Scene, seed: int = 0) -> tuple[Image.Image, list[Placed]]:
        """The picture (RGB, 64 x 64) and where its objects are."""
        rng = random.Random(f"{seed}/paint/{scene.id}")
        picture = paint_ground(scene.ground, rng)
        placed = []
        centres = (0.5,) if len(scene.objects) == 1 else (0.26, 0.74)
        for name, centre in zip(scene.objects, centres, strict=True):
            side = rng.uniform(36, 42) if len(scene.objects) == 1 else rng.uniform(26, 30)
            placed.append(self._place(picture, name, centre, side, rng))
        return apply_style(picture, scene.style), placed

    def _place(
        self, picture: Image.Image, name: str, centre: float, side: float, rng: random.Random
    ) -> Placed:
        glyph = self.glyphs[name]
        factor = side / max(glyph.size)
        width, height = (max(1, round(extent * factor)) for extent in glyph.size)
        glyph = glyph.resize((width, height), Image.Resampling.LANCZOS)
        x = round(centre * SIZE - width / 2 + rng.uniform(-1.5, 1.5))
        bottom = 0.86 if side > 32 else 0.80
        y = round(bottom * SIZE - height + rng.uniform(-2.0, 2.0))
        x, y = min(max(x, 0), SIZE - width), min(max(y, 0), SIZE - height)
        shadow = Image.new("L", (SIZE, SIZE))
        ImageDraw.Draw(shadow).ellipse((x + 1, y + height - 3, x + width - 2, y + height + 2), fill=70)
        picture.paste((20, 24, 40), mask=shadow.filter(ImageFilter.GaussianBlur(1)))
        picture.paste(glyph, (x, y), glyph)
        box = (x / SIZE, y / SIZE, (x + width) / SIZE, (y + height) / SIZE)
        return Placed(name, box)


# Sky (top, bottom) and ground (top, bottom) colours, and the horizon's height as a fraction.
_PALETTES = {
    "a field": ((126, 196, 240), (205, 234, 250), (132, 196, 84), (86, 156, 62), 0.52),
    "a road": ((168, 188, 206), (214, 224, 230), (112, 114, 122), (84, 86, 94), 0.50),
    "the beach": ((92, 178, 232), (178, 226, 246), (244, 222, 160), (226, 194, 124), 0.56),
    "snow": ((176, 198, 222), (224, 234, 244), (248, 251, 255), (222, 232, 244), 0.54),
    "the sea": ((250, 214, 170), (252, 236, 204), (44, 128, 184), (22, 82, 142), 0.46),
    "the moon": ((12, 14, 34), (34, 36, 66), (176, 176, 184), (132, 132, 144), 0.60),
    "a table": ((226, 206, 188), (236, 220, 204), (168, 110, 66), (132, 82, 46), 0.58),
}


def paint_ground(ground: str, rng: random.Random) -> Image.Image:
    """A ground with a sky or wall above it; smooth, with a few features that name it."""
    side = SIZE * SCALE
    sky_top, sky_bottom, near_top, near_bottom, horizon = _PALETTES[ground]
    line = round((horizon + rng.uniform(-0.03, 0.03)) * side)
    picture = Image.new("RGB", (side, side))
    picture.paste(_gradient(sky_top, sky_bottom, side, line), (0, 0))
    picture.paste(_gradient(near_top, near_bottom, side, side - line), (0, line))
    draw = ImageDraw.Draw(picture)
    _FEATURES[ground](draw, line, side, rng)
    reduced = picture.resize((SIZE, SIZE), Image.Resampling.BOX)
    return ImageEnhance.Brightness(reduced).enhance(rng.uniform(0.95, 1.05))


def _gradient(
    top: tuple[int, int, int], bottom: tuple[int, int, int], width: int, height: int
) -> Image.Image:
    ramp = Image.linear_gradient("L").resize((width, height))
    return ImageOps.colorize(ramp, top, bottom)


def _field(draw: ImageDraw.ImageDraw, line: int, side: int, rng: random.Random) -> None:
    x = rng.uniform(-0.2, 0.5) * side
    draw.ellipse((x, line - 18, x + side * 0.9, line + 60), fill=(112, 180, 74))


def _road(draw: ImageDraw.ImageDraw, line: int, side: int, rng: random.Random) -> None:
    draw.rectangle((0, line, side, line + 14), fill=(150, 170, 110))
    y = side * rng.uniform(0.86, 0.90)
    start = rng.uniform(-0.2, 0.0) * side
    for k in range(5):
        x = start + k * side * 0.28
        draw.rectangle((x, y, x + side * 0.15, y + 12), fill=(250, 240, 200))


def _beach(draw: ImageDraw.ImageDraw, line: int, side: int, rng: random.Random) -> None:
    depth = rng.uniform(0.12, 0.16) * side
    draw.rectangle((0, line - depth, side, line), fill=(36, 140, 190))
    draw.rectangle((0, line - 8, side, line + 6), fill=(240, 248, 250))


def _snow(draw: ImageDraw.ImageDraw, line: int, side: int, rng: random.Random) -> None:
    x = rng.uniform(0.0, 0.4) * side
    for shift, width, height in ((0.0, 0.34, 60), (0.3, 0.3, 44)):
        left = x + shift * side
        draw.polygon(
            [(left, line), (left + width * side / 2, line - height), (left + width * side, line)],
            fill=(152, 172, 200),
        )


def _sea(draw: ImageDraw.ImageDraw, line: int, side: int, rng: random.Random) -> None:
    x = rng.uniform(0.1, 0.8) * side
    draw.ellipse((x - 26, 24, x + 26, 76), fill=(255, 246, 214))
    for row in range(3):
        y = line + (0.14 + 0.15 * row) * side
        start = rng.uniform(-0.15, 0.0) * side
        for k in range(4):
            left = start + k * side * 0.32
            draw.line((left, y, left + side * 0.16, y), fill=(126, 190, 222), width=8)


def _moon(draw: ImageDraw.ImageDraw, line: int, side: int, rng: random.Random) -> None:
    for k in range(7):
        x, y = (k + rng.uniform(0.2, 0.8)) / 7 * side, rng.uniform(0.05, 0.45) * side
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(250, 250, 235))
    for k in range(3):
        x, y = (k + rng.uniform(0.3, 0.7)) / 3 * side, side * rng.uniform(0.86, 0.94)
        draw.ellipse((x - 26, y - 9, x + 26, y + 9), fill=(112, 112, 124))


def _table(draw: ImageDraw.ImageDraw, line: int, side: int, rng: random.Random) -> None:
    draw.rectangle((0, line, side, line + 12), fill=(196, 138, 90))
    for fraction in (0.74, 0.9):
        y = side * (fraction + rng.uniform(-0.02, 0.02))
        draw.line((0, y, side, y), fill=(120, 72, 40), width=5)


_FEATURES = {
    "a field": _field,
    "a road": _road,
    "the beach": _beach,
    "snow": _snow,
    "the sea": _sea,
    "the moon": _moon,
    "a table": _table,
}


def apply_style(picture: Image.Image, style: str | None) -> Image.Image:
    """The picture in one of the two styles; None leaves it as it is."""
    if style == "pixel art":
        small = picture.resize((SIZE // 2, SIZE // 2), Image.Resampling.BOX)
        return ImageOps.posterize(small, 3).resize((SIZE, SIZE), Image.Resampling.NEAREST)
    if style == "vintage photo":
        sepia = ImageOps.colorize(ImageOps.grayscale(picture), (52, 34, 20), (246, 228, 188))
        vignette = ImageOps.invert(Image.radial_gradient("L").resize((SIZE, SIZE)))
        vignette = vignette.point(lambda v: min(255, 110 + v))
        return ImageChops.multiply(sepia, Image.merge("RGB", [vignette] * 3))
    return picture


def painted(glyphs: Path, items: Sequence[Scene], seed: int = 0) -> Iterator[UInt8[np.ndarray, "64 64 3"]]:
    """The pictures of scenes, one by one."""
    painter = Painter(glyphs)
    for item in items:
        yield np.asarray(painter.paint(item, seed)[0])


def write_scenes(
    folder: Path, glyph_folder: Path, count: int, seed: int = 0, split: str = "train"
) -> Iterator[int]:
    """Write `count` scenes as an `imagefolder` with `metadata.jsonl`; yields how many are done.

    The metadata is written last and by rename, so a folder that has it is whole.
    """
    painter = Painter(glyph_folder)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for index in range(count):
        item = scene(index, seed, split)
        picture, placed = painter.paint(item, seed)
        picture.save(folder / f"{item.id}.png", optimize=True)
        row = {
            "id": item.id,
            "file_name": f"{item.id}.png",
            "text": item.caption,
            "objects": [{"name": p.name, "box": p.box} for p in placed],
            "ground": item.ground,
            "style": item.style,
            "collection": item.collection,
        }
        lines.append(json.dumps(row) + "\n")
        yield index + 1
    part = folder / "metadata.jsonl.part"
    part.write_text("".join(lines), encoding="utf-8")
    part.rename(folder / "metadata.jsonl")

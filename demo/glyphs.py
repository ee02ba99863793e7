"""Render the object glyphs once from Noto Color Emoji (SIL OFL 1.1).

The rendered glyphs are shipped, so this is only needed to remake them:
`python -m demo glyphs --font NotoColorEmoji.ttf`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from demo.vocabulary import OBJECTS

STRIKE = 109  # the one bitmap size in the font, in pixels per em
SIDE = 128  # the longer side of a shipped glyph, in pixels


def render_glyphs(font_path: Path, folder: Path, objects: Mapping[str, str] = OBJECTS) -> None:
    """Write one tightly cropped RGBA PNG per object into `folder`. `objects`: their emoji by name."""
    font = ImageFont.truetype(str(font_path), STRIKE)
    folder.mkdir(parents=True, exist_ok=True)
    for name, emoji in objects.items():
        canvas = Image.new("RGBA", (2 * SIDE, 2 * SIDE))
        ImageDraw.Draw(canvas).text((SIDE // 2, SIDE // 2), emoji, font=font, embedded_color=True)
        glyph = canvas.crop(canvas.getbbox())
        glyph.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        glyph.save(glyph_path(folder, name), optimize=True)


def load_glyphs(folder: Path) -> dict[str, Image.Image]:
    """The shipped glyphs by object name."""
    glyphs = {}
    for name in OBJECTS:
        with Image.open(glyph_path(folder, name)) as glyph:
            glyphs[name] = glyph.convert("RGBA")
    return glyphs


def glyph_path(folder: Path, name: str) -> Path:
    return folder / f"{name.replace(' ', '-')}.png"

"""The model card and the sheet of samples, written from the figures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image, ImageDraw, ImageFont

from demo import autoencoder, clip, diffusion, dino
from demo.vocabulary import GROUNDS, OBJECTS, STYLES
from demo.world import World

# Markdown, in which nothing is to be escaped.
TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=False,
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)

CELL, LABEL, COLUMNS = 128, 40, 8  # pixels, pixels, pictures a row


def sheet(samples: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Pictures over their captions, eight a row."""
    rows = -(-len(samples) // COLUMNS)
    page = Image.new("RGB", (COLUMNS * CELL, rows * (CELL + LABEL)), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=10)
    for k, (caption, picture) in enumerate(samples):
        x, y = k % COLUMNS * CELL, k // COLUMNS * (CELL + LABEL)
        page.paste(picture.resize((CELL, CELL), Image.Resampling.NEAREST), (x, y))
        lines = textwrap.wrap(caption, 25)[:3]
        draw.multiline_text((x + 3, y + CELL), "\n".join(lines), fill="black", font=font, spacing=0)
    return page


def model_card(world: World, figures: dict[str, Any]) -> str:
    """The text of README.md: `model_card.md.jinja` filled in. A figure that is missing is an error."""
    notes = world.folder / "training-notes.md"  # what the recipes do not say; by hand, if anything happened
    recipes = {
        "autoencoder": autoencoder.RECIPE,
        "U-Net and text encoder": diffusion.RECIPE,
        "CLIP": clip.RECIPE,
        "DINO": dino.RECIPE,
    }
    return TEMPLATES.get_template("model_card.md.jinja").render(
        figures,
        scenes=len(world.rows),
        seed=world.seed,
        objects=OBJECTS,
        grounds=GROUNDS,
        styles=STYLES,
        recipes={name: world.recipe(recipe) for name, recipe in recipes.items()},
        notes=notes.read_text(encoding="utf-8") if notes.exists() else "",
    )

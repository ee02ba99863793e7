"""A test of an answer as a GIF: the picture as made, then after each set was unlearned, with names."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from app.runs.export import fresh_folder, name_of
from app.runs.proofs import Proof
from app.views.card import ACCENT, INK, PAPER, SOFT, Fonts, wrapped
from app.views.change_words import capital, change_words
from app.views.counterfactual_sets import top_titles
from app.views.proofs import ranked_by

SIDE, MARGIN, WORDS = 480, 24, 128  # pixels: of the picture, around it, and of the words below it
SECONDS = 1.6  # of a stage


def write_proof_gif(proof: Proof, caption: str, fonts: Fonts) -> Path:
    """The stages that are there, as a file of its own that goes round for ever."""
    frames = [_in_few_colours(stage) for stage in proof_stages(proof, caption, fonts)]
    path = fresh_folder() / f"{name_of(caption)}.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=round(1000 * SECONDS), loop=0)
    return path


def proof_stages(proof: Proof, caption: str, fonts: Fonts) -> list[Image.Image]:
    """One picture a stage, with what was unlearned and how far predictions moved."""
    check = proof.check
    stages = [("As made", f"“{caption}”", check.before[0])]
    for title, outcome in zip(top_titles(check, ranked_by(proof)), check.found, strict=False):
        moved = f"{capital(title.words)} · predictions moved by {change_words(outcome.loss)}"
        stages.append((f"After unlearning {title.unlearned}", moved, outcome.pictures[0]))
    return [_stage(*stage, number, len(stages), fonts) for number, stage in enumerate(stages)]


def _stage(title: str, words: str, picture: Image.Image, number: int, of: int, fonts: Fonts) -> Image.Image:
    frame = Image.new("RGB", (SIDE + 2 * MARGIN, SIDE + 2 * MARGIN + WORDS), PAPER)
    frame.paste(picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS), (MARGIN, MARGIN))
    draw, y = ImageDraw.Draw(frame), MARGIN + SIDE + 14
    left, step = MARGIN, SIDE / of
    for stop in range(of):  # where on its way the picture is
        colour = ACCENT if stop == number else "#d8d0c3"
        draw.rectangle((left + stop * step, y, left + (stop + 1) * step - 5, y + 3), colour)
    large, small = fonts.of(23, "Bold"), fonts.of(16)
    (head,) = wrapped(draw, title, large, SIDE, 1)
    draw.text((left, y + 18), head, INK, large, anchor="la")
    for place, line in enumerate(wrapped(draw, words, small, SIDE, 2)):
        draw.text((left, y + 54 + 22 * place), line, SOFT, small, anchor="la")
    return frame


def _in_few_colours(frame: Image.Image) -> Image.Image:
    """As many colours as a GIF has, mixed where the picture has more: skies would show bands."""
    palette = frame.quantize(255)
    return frame.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)

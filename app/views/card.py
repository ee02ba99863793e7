"""An answer as a picture for link previews: what was asked about, what was found, its first six images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from app.runs.boxes import boxes_of_run
from app.runs.names import model_name, training_set_name
from app.runs.run import Run
from app.views.finding import findings
from app.views.scores import lines_of
from attribution.errors import ImageError
from attribution.methods.finding import finding_of
from attribution.query import Box
from attribution.results import Entry, Ranking
from attribution.workspace.workspace import Workspace

SIZE = (1200, 630)  # pixels, as sites ask for it
FIRST = 6  # training images
MARGIN, PICTURE, THUMB, GAP = 56, 340, 108, 11  # pixels
RIGHT = MARGIN + PICTURE + 44  # where the words begin
TOP, SHELF = 118, 630 - MARGIN - THUMB  # of the picture, and of the training images
# The page's colours in the light: other sites show the card on grounds of their own.
PAPER, INK, SOFT, LINE, ACCENT = "#faf8f4", "#1f1c18", "#6c665c", "#e6e0d5", "#b8451c"
ROUND = 12  # pixels of a corner


class Fonts:
    """The page's typeface in any size.

    Args:
        folder: with the files of IBM Plex Sans.

    Raises:
        OSError: they are not there, when one is first asked for.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, size: float, weight: str = "Regular") -> ImageFont.FreeTypeFont:
        """A font of so many pixels."""
        return ImageFont.truetype(self._folder / f"IBMPlexSans-{weight}.woff2", size)


def run_card(run: Run, workspace: Workspace, fonts: Fonts) -> bytes:
    """The card of an answered run, as PNG."""
    card = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(card)
    _masthead(draw, workspace, fonts)
    card.paste(_rounded(_marked(run), PAPER), (MARGIN, TOP))
    _words(draw, run, fonts)
    _first_images(card, draw, run, workspace, fonts)
    out = io.BytesIO()
    card.save(out, format="PNG")
    return out.getvalue()


def _masthead(draw: ImageDraw.ImageDraw, workspace: Workspace, fonts: Fonts) -> None:
    name = fonts.of(38, "Bold")
    draw.text((MARGIN, 84), "Whence", INK, name, anchor="ls")
    end = MARGIN + draw.textlength("Whence", name)
    draw.rectangle((end + 6, 74, end + 15, 83), ACCENT)
    about, font = f"{model_name(workspace)}, trained on {training_set_name(workspace)}", fonts.of(22)
    (line,) = wrapped(draw, about, font, SIZE[0] - RIGHT - MARGIN, 1)
    draw.text((SIZE[0] - MARGIN, 84), line, SOFT, font, anchor="rs")


def _marked(run: Run) -> Image.Image:
    """The picture with what was asked about in a frame."""
    picture = run.picture.image.convert("RGB").resize((PICTURE, PICTURE), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(picture)
    for box in boxes_of_run(run):
        _frame(draw, box)
    return picture


def _frame(draw: ImageDraw.ImageDraw, box: Box) -> None:
    x0, y0, x1, y1 = (round(side * (PICTURE - 1)) for side in box.as_tuple())
    draw.rectangle((x0, y0, x1, y1), outline=ACCENT, width=5)
    draw.rectangle((x0 + 5, y0 + 5, x1 - 5, y1 - 5), outline="white", width=2)


def _words(draw: ImageDraw.ImageDraw, run: Run, fonts: Fonts) -> None:
    """The caption, and below it what the answer says."""
    width, y = SIZE[0] - RIGHT - MARGIN, TOP
    large, plain = fonts.of(42, "Bold"), fonts.of(30)
    for line in wrapped(draw, f"“{run.caption}”", large, width, 2):
        draw.text((RIGHT, y), line, INK, large, anchor="la")
        y += 52
    y += 16
    said = " ".join(f"{part}: {words}" if part else words for part, words in findings(run, nothing=True))
    for line in wrapped(draw, said, plain, width, (SHELF - 20 - y) // 41):
        draw.text((RIGHT, y), line, SOFT, plain, anchor="la")
        y += 41


def _first_images(
    card: Image.Image, draw: ImageDraw.ImageDraw, run: Run, workspace: Workspace, fonts: Fonts
) -> None:
    """Those of the ranking that the sentence speaks of, each with its rank."""
    ranking = _spoken_of(run)
    small, number = fonts.of(21), fonts.of(17, "Bold")
    count = f"{len(workspace.training_set):,} training images"
    words = [
        *wrapped(draw, f"The first by {ranking.title}", small, PICTURE, 2),
        *wrapped(draw, f"of {count}", small, PICTURE, 1),
    ]
    for place, line in enumerate(words):
        top = SHELF + THUMB - 28 * (len(words) - place)
        draw.text((MARGIN, top), line, SOFT, small, anchor="la")
    for place, entry in enumerate(_shown(ranking)):
        x = RIGHT + place * (THUMB + GAP)
        card.paste(_rounded(_thumbnail(entry, workspace), PAPER), (x, SHELF))
        draw.rounded_rectangle((x + 7, SHELF + 7, x + 31, SHELF + 29), 5, "#4b463f")
        draw.text((x + 19, SHELF + 18), str(entry.rank), "white", number, anchor="mm")


def _spoken_of(run: Run) -> Ranking:
    rankings = run.parts[0].rankings
    found = finding_of(rankings)
    return rankings[found.method] if found is not None else next(iter(rankings.values()))


def _shown(ranking: Ranking) -> Sequence[Entry]:
    lines = lines_of(ranking, FIRST)
    return lines.sure or lines.unsure


def _thumbnail(entry: Entry, workspace: Workspace) -> Image.Image:
    """A training image; an empty place where the file has gone since."""
    try:
        image = workspace.prepared(workspace.training_set.image(entry.row)).convert("RGB")
    except ImageError:
        return Image.new("RGB", (THUMB, THUMB), LINE)
    return image.resize((THUMB, THUMB), Image.Resampling.LANCZOS)


def _rounded(image: Image.Image, ground: str) -> Image.Image:
    """The image with round corners on a ground; its mask is drawn large, for smooth edges."""
    side, fine = image.width, 4
    mask = Image.new("L", (side * fine, side * fine))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, side * fine - 1, side * fine - 1), ROUND * fine, 255)
    return Image.composite(image, Image.new("RGB", image.size, ground), mask.resize(image.size))


def wrapped(
    draw: ImageDraw.ImageDraw, words: str, font: ImageFont.FreeTypeFont, width: int, lines: int
) -> list[str]:
    """Words in at most so many lines of that many pixels; "…" where more is said."""
    broken: list[str] = []
    for word in words.split():
        longer = f"{broken[-1]} {word}" if broken else word
        if broken and draw.textlength(longer, font) <= width:
            broken[-1] = longer
        else:
            broken.append(word)
    shown = broken[:lines]
    cut = len(broken) > lines
    return [_cut(draw, line, font, width, cut and line is shown[-1]) for line in shown]


def _cut(draw: ImageDraw.ImageDraw, line: str, font: ImageFont.FreeTypeFont, width: int, more: bool) -> str:
    """A line no wider than that; `more`: something is left out after it."""
    ending = "…" if more or draw.textlength(line, font) > width else ""
    while line and draw.textlength(line + ending, font) > width:
        line = line[:-1].rstrip()
    return line + ending

"""Concepts that the embedded world has never seen, their exemplars, and the prompts that ask for them.

Everything follows from a concept's name: which scenes its exemplars are, and which its prompts. A prompt's
surroundings are in no exemplar.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from PIL import Image

from demo.customise.styles import STYLES
from demo.glyphs import glyph_path
from demo.scenes import Painter, Scene, scene
from demo.vocabulary import GROUNDS, OBJECTS, with_article

TOKEN = "<v1>"
PROMPTS = 2  # of a concept
MOST = 5  # exemplars


class Kind(StrEnum):
    OBJECT = "object"
    STYLE = "style"


# Further glyphs of the world's own font. The last ones, and the last styles, are for learning from only:
# what is fitted (the tuned heads) is fitted on them, and no figure is of them.
NEW_OBJECTS: dict[str, str] = {
    "octopus": "🐙",
    "owl": "🦉",
    "dinosaur": "🦕",
    "unicorn": "🦄",
    "crab": "🦀",
    "parrot": "🦜",
    "camel": "🐫",
    "flamingo": "🦩",
    "strawberry": "🍓",
    "pineapple": "🍍",
    "pumpkin": "🎃",
    "guitar": "🎸",
    "robot": "🤖",
    "helicopter": "🚁",
    "umbrella": "⛱",
    "telescope": "🔭",
    "whale": "🐳",
    "lobster": "🦞",
    "drum": "🥁",
    "violin": "🎻",
    "watermelon": "🍉",
    "anchor": "⚓",
    "fox": "🦊",
    "avocado": "🥑",
}
FOR_LEARNING = {Kind.OBJECT: 8, Kind.STYLE: 4}


@dataclass(frozen=True)
class Exemplar:
    """One picture that teaches a concept: a scene, its picture and its caption."""

    id: str
    caption: str
    picture: Image.Image
    plain_caption: str


@dataclass(frozen=True)
class Concept:
    """Something that a model is customised on.

    Attributes:
        number: its place among those of its kind; it decides how many exemplars there are, from 1 to 5.
    """

    name: str
    kind: Kind
    number: int

    @property
    def exemplars(self) -> int:
        return 1 + self.number % MOST

    @property
    def for_learning(self) -> bool:
        """Whether it is kept from the benchmark."""
        return self.number >= len(_NAMES[self.kind]) - FOR_LEARNING[self.kind]

    @property
    def slug(self) -> str:
        return self.name.replace(" ", "-")

    @cached_property
    def scenes(self) -> list[Scene]:
        """What the exemplars show, then what the prompts ask for: no two alike in ground or object."""
        rng = random.Random(f"concept/{self.kind}/{self.name}")
        count = self.exemplars + PROMPTS
        grounds = rng.sample(GROUNDS, len(GROUNDS))[:count]
        others = rng.sample(list(OBJECTS), count)
        base = scene(0)
        return [
            replace(
                base,
                id=f"{self.slug}-{k}",
                objects=(self.name,) if self.kind is Kind.OBJECT else (others[k],),
                ground=grounds[k],
                style=None,
                collection="",
            )
            for k in range(count)
        ]

    def caption(self, shown: Scene) -> str:
        """The caption of a scene of this concept, with the new word."""
        if self.kind is Kind.OBJECT:
            return f"a {TOKEN} on {shown.ground}"
        return f"{with_article(shown.objects[0])} on {shown.ground}, in {TOKEN}"

    def plain_caption(self, shown: Scene) -> str:
        """The same without the new word, as somebody would say it who knows the concept's name."""
        if self.kind is Kind.OBJECT:
            return f"{with_article(self.name)} on {shown.ground}"
        return f"{with_article(shown.objects[0])} on {shown.ground}, in {self.name}"

    @property
    def prompts(self) -> list[str]:
        return [self.caption(shown) for shown in self.scenes[self.exemplars :]]

    def draw(self, painter: Painter) -> list[Exemplar]:
        """The exemplars."""
        return [
            Exemplar(shown.id, self.caption(shown), self.paint(painter, shown), self.plain_caption(shown))
            for shown in self.scenes[: self.exemplars]
        ]

    def paint(self, painter: Painter, shown: Scene) -> Image.Image:
        """A scene's picture with this concept in it."""
        picture, _ = painter.paint(shown)
        return STYLES[self.name](picture) if self.kind is Kind.STYLE else picture


_NAMES: dict[Kind, tuple[str, ...]] = {Kind.OBJECT: tuple(NEW_OBJECTS), Kind.STYLE: tuple(STYLES)}
CONCEPTS: tuple[Concept, ...] = tuple(
    Concept(name, kind, number) for kind, names in _NAMES.items() for number, name in enumerate(names)
)


def painter_of(glyphs: Path, new_glyphs: Path) -> Painter:
    """A painter of the world's objects and of the new ones."""
    painter = Painter(glyphs)
    for name in NEW_OBJECTS:
        with Image.open(glyph_path(new_glyphs, name)) as glyph:
            painter.glyphs[name] = glyph.convert("RGBA")
    return painter

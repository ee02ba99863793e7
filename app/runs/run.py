"""A question as the page keeps it: the picture, the parts asked about, and what has been answered.

Plain values, replaced as answers come in, so that any thread may look at one while another works.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from string import ascii_uppercase
from typing import Any

from PIL import Image

from app.runs.made_with import made_with
from app.runs.proofs import Proof
from attribution.query import Box, Generation, Query, Settings
from attribution.results import Attribution, Ranking

MAX_PARTS = 4  # of one picture that are asked about at once


@dataclass(frozen=True)
class Picture:
    """The picture on the page.

    Attributes:
        image: the model's square, RGB.
        caption: the prompt it was made from; "" for an upload, whose caption is typed beside it.
        made: prompt, seed, steps, guidance, ... as far as they are known; of a training image its id, as
            `training_image`.
        original_size: (width, height) of an upload, before it was brought to the square.
    """

    image: Image.Image
    caption: str = ""
    made: Mapping[str, Any] = field(default_factory=dict)
    original_size: tuple[int, int] | None = None


def generation_of(picture: Picture, model: str) -> Generation | None:
    """What the picture was made from; None if that is not known, or another model made it.

    Raises:
        SettingsError: what it says of itself makes no sense.
    """
    made = picture.made
    if "seed" not in made or made.get("model") not in (None, model):
        return None
    known = {key: made[key] for key in ("seed", "steps", "guidance", "negative_prompt") if key in made}
    return Generation(str(made.get("prompt") or picture.caption), **known)


def made_here(picture: Picture, model: str) -> Generation | None:
    """What this page made the picture from; None for an upload, whatever that says of itself."""
    return generation_of(picture, model) if picture.original_size is None else None


@dataclass(frozen=True)
class Part:
    """One part of the picture, a query of its own: a box, or the whole.

    Attributes:
        rankings: what of the answer is there so far, by method.
        attribution: the whole answer, once it is there.
    """

    label: str  # "A", "B", ...
    query: Query
    rankings: Mapping[str, Ranking] = field(default_factory=dict)
    attribution: Attribution | None = None

    @property
    def title(self) -> str:
        return f"Part {self.label}" if self.query.box is not None else "The whole picture"


@dataclass(frozen=True)
class Run:
    """An attribution that was asked for and has passed every check, and its answers.

    Attributes:
        id: unguessable: who has it may see the run.
        begun: seconds since 1970.
        made_with: what answers it: version and machine, in words.
        proofs: the tests of its answers that have ended, the latest last.
    """

    picture: Picture
    caption: str
    methods: tuple[str, ...]
    settings: Settings
    parts: tuple[Part, ...]
    id: str = field(default_factory=lambda: secrets.token_urlsafe(12))
    begun: float = field(default_factory=time.time)
    made_with: Mapping[str, str] = field(default_factory=made_with)
    proofs: tuple[Proof, ...] = ()

    @property
    def answered(self) -> bool:
        """Whether every part has its whole answer."""
        return all(part.attribution is not None for part in self.parts)

    def with_part(self, number: int, **changes: Any) -> Run:
        parts = list(self.parts)
        parts[number] = replace(parts[number], **changes)
        return replace(self, parts=tuple(parts))


def parts_of(
    image: Image.Image, caption: str, boxes: tuple[Box, ...], generation: Generation | None = None
) -> tuple[Part, ...]:
    """One part a box; the whole picture if there is none.

    Args:
        generation: what this model made the picture from, if that is known.

    Raises:
        CaptionError: the caption is empty.
    """
    places: tuple[Box | None, ...] = boxes or (None,)
    return tuple(
        Part(label, Query(image, caption, box, generation))
        for label, box in zip(ascii_uppercase, places, strict=False)
    )

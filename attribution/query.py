"""What is asked: a picture, its caption, perhaps a box, and which training images. Plain values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from jaxtyping import Bool, Int
from numpy import bool_, ndarray, zeros
from PIL import Image

from attribution.errors import BoxError, CaptionError, SettingsError

Options = TypeVar("Options", bound="MethodOptions", covariant=True)


@dataclass(frozen=True)
class Box:
    """A rectangle in fractions of a picture, origin at its upper left.

    Raises:
        BoxError: a side is empty, reversed, not finite, or outside [0, 1].
    """

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        sides = (self.x0, self.y0, self.x1, self.y1)
        shown = " ".join(f"{value:g}" for value in sides)
        if not all(math.isfinite(value) and 0.0 <= value <= 1.0 for value in sides):
            raise BoxError(f"box {shown} leaves the picture: give fractions X0 Y0 X1 Y1 between 0 and 1")
        if self.x0 >= self.x1 or self.y0 >= self.y1:
            raise BoxError(f"box {shown} is empty or reversed: X0 must be less than X1 and Y0 less than Y1")

    def as_tuple(self) -> tuple[float, float, float, float]:
        return (self.x0, self.y0, self.x1, self.y1)

    def cells(self, height: int, width: int) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) on a grid of cells, snapped outwards, right and bottom exclusive."""
        tiny = 1e-9  # 0.3 * 10 is a little over 3 in floating point
        left, top = math.floor(self.x0 * width + tiny), math.floor(self.y0 * height + tiny)
        right, bottom = math.ceil(self.x1 * width - tiny), math.ceil(self.y1 * height - tiny)
        return left, top, max(right, left + 1), max(bottom, top + 1)

    def mask(self, height: int, width: int) -> Bool[ndarray, "height width"]:
        """True in the cells that the box touches."""
        left, top, right, bottom = self.cells(height, width)
        inside = zeros((height, width), dtype=bool_)
        inside[top:bottom, left:right] = True
        return inside

    def snapped(self, height: int, width: int) -> Box:
        """The box grown outwards to a grid's cells: what the model will really use."""
        left, top, right, bottom = self.cells(height, width)
        return Box(left / width, top / height, right / width, bottom / height)

    def crop(self, image: Image.Image) -> Image.Image:
        """The part of `image` inside the box, snapped outwards to whole pixels."""
        return image.crop(self.cells(image.height, image.width))


@dataclass(frozen=True)
class Generation:
    """What a generated picture is a function of (with the model)."""

    prompt: str
    seed: int = 0
    steps: int = 30
    guidance: float = 2.0
    negative_prompt: str = ""

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise SettingsError("the prompt is empty: say what the picture should show")
        if not 1 <= self.steps <= 1000:
            raise SettingsError(f"steps is {self.steps}: choose between 1 and 1000")
        if not 0 <= self.guidance <= 50:
            raise SettingsError(f"guidance is {self.guidance}: choose between 0 and 50")


@dataclass(frozen=True)
class Query:
    """A picture to be traced.

    Attributes:
        image: RGB, any size; the workspace brings it to the model's.
        caption: what the picture was made from. Not empty.
        box: the part of the picture asked about, in fractions of `image`; None for all of it.
        generation: what this model made the picture from; None where that is not known.

    Raises:
        CaptionError: the caption is empty.
    """

    image: Image.Image
    caption: str
    box: Box | None = None
    generation: Generation | None = None

    def __post_init__(self) -> None:
        if not self.caption.strip():
            raise CaptionError('the picture needs its caption: give --caption "what it shows"')


@dataclass(frozen=True)
class MethodOptions:
    """The settings of one method; one with settings of its own has a frozen dataclass that extends this.

    Its fields are plain JSON values, documented in its docstring, and checked when it is made.
    """


NO_OPTIONS = MethodOptions()


@runtime_checkable
class HasOptions(Protocol[Options]):
    """A method, as far as its settings are concerned."""

    @property
    def name(self) -> str: ...

    @property
    def options(self) -> Options: ...


@dataclass(frozen=True)
class Settings:
    """How an attribution is computed, for every method. Everything here is written into its result.

    Attributes:
        seed: of every draw of the query (the training images' noise is the workspace's own).
        effort: "instant" (neighbours and first order), "refined" (the most promising are measured, the
            best of them again) or "exhaustive" (every training image is).
        shortlist: from how many promising training images "refined" chooses those that it measures.
        budget: how many draws "refined" spends on measuring (a draw is one forward pass of one image):
            counted, not timed, so that the same query gives the same ranking on every machine.
        top_k: how many of the first ranks "refined" tries to get right.
        candidates: N: rank the same N training images, drawn at random by the seed, under every
            method. Ids or file names: rank exactly those. None: each method ranks what it can.
        batch_size: draws of one pass, forward or backward; never changes a result beyond rounding.
        options: the settings of single methods, by name; a method that is not there has its defaults.
    """

    seed: int = 0
    effort: str = "refined"
    shortlist: int = 400
    budget: int = 2400
    top_k: int = 20
    candidates: int | tuple[str, ...] | None = None
    batch_size: int = 256
    options: Mapping[str, MethodOptions] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.effort not in EFFORTS:
            raise SettingsError(f"effort {self.effort!r} is not known: choose from {', '.join(EFFORTS)}")
        for name in ("shortlist", "budget", "top_k", "batch_size"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} is {getattr(self, name)}: it must be at least 1")
        if isinstance(self.candidates, int) and self.candidates < 1:
            raise SettingsError(f"candidates is {self.candidates}: it must be at least 1")

    @property
    def measures_all(self) -> bool:
        """Whether every candidate is measured alike, and not the most promising in a race."""
        return self.effort == "exhaustive" or self.candidates is not None

    def options_of(self, method: HasOptions[Options]) -> Options:
        """Return the settings that a method is asked with.

        Raises:
            SettingsError: those that were given are another method's.
        """
        given = self.options.get(method.name, method.options)
        if not isinstance(given, type(method.options)):
            raise SettingsError(f"{type(given).__name__} are not the options of {method.name}")
        return given

    def to_json(self, methods: Iterable[HasOptions[MethodOptions]] = ()) -> dict[str, Any]:
        """Return plain JSON values, with the options of some methods as they are asked."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "options"}
        return plain | {"options": {each.name: asdict(self.options_of(each)) for each in methods}}


def checked_draws(name: str, draws: int) -> None:
    """Raise `SettingsError` for a number of draws that cannot be paired."""
    if draws < 2 or draws % 2:
        raise SettingsError(
            f"{name} is {draws}: it must be even and at least 2 (draws come in antithetic pairs)"
        )


def checked_rise(rise: float) -> None:
    """Raise `SettingsError` for a relative rise of a loss that no step is sought for."""
    if not 0 < rise < 10:
        raise SettingsError(f"target_rise is {rise}: it must lie in (0, 10)")


EFFORTS = ("instant", "refined", "exhaustive")


@dataclass(frozen=True)
class Candidates:
    """Which training images a method is asked to score.

    Attributes:
        rows: the most promising first, where anything is known of that.
        words: for the person.
        race: measure as many as the budget allows, and the best again, instead of all alike.
    """

    rows: Int[ndarray, " candidates"]
    words: str
    race: bool = False

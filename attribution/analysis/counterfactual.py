"""What a test of an answer has found: pictures before and after, and figures. Plain values.

`attribution.analysis.counterfactual_check` makes them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from PIL import Image

from attribution.errors import SettingsError
from attribution.models.base import Generation
from attribution.unlearning.change import Change, LossChange
from attribution.unlearning.image_set import Ascent

MATCHED = "matched"  # a comparison with images whose captions share most words with those of the first


@dataclass(frozen=True)
class CounterfactualSettings:
    """How an answer is tested.

    Attributes:
        ascent: how each set, or the picture, is unlearned. A set until its own loss has risen by a fifth:
            far enough to see it in the picture, and random sets mostly leave the picture as it is; from
            a third on they break it too.
        picture_rise: the relative rise of its own loss until which the picture itself is unlearned.
        controls: sets of random training images, as large as the set that is tested.
        measuring_draws: on which the picture's own loss is measured, the same before and after.
        regenerations: pictures made from the caption where a picture's own settings are not known.
        survivors: pictures of unrelated captions that should survive.
    """

    ascent: Ascent = field(default_factory=Ascent)
    picture_rise: float = 0.50
    controls: int = 2
    measuring_draws: int = 64
    regenerations: int = 2
    survivors: int = 4

    def __post_init__(self) -> None:
        if self.controls < 0 or self.regenerations < 1 or self.survivors < 0:
            raise SettingsError("controls and survivors must not be negative, regenerations at least 1")
        if self.measuring_draws < 4 or self.measuring_draws % 2:
            raise SettingsError(f"measuring_draws is {self.measuring_draws}: give an even number from 4")


@dataclass(frozen=True)
class Outcome:
    """What unlearning one thing did to the picture.

    Attributes:
        ids: of the training images that were unlearned; none if it was the picture itself.
        rise: the relative rise of the mean loss of what was unlearned, on held-out draws.
        alpha: the step that it took.
        loss: the picture's own, in its box if it has one.
        pictures: made again under the new weights; changes: how far each is from its `before`.
    """

    ids: tuple[str, ...]
    rise: float
    alpha: float
    loss: LossChange
    pictures: tuple[Image.Image, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Comparison:
    """A further set that is unlearned beside the first one and its controls.

    Attributes:
        name: `MATCHED`, or of the method whose first images they are.
        outcome: None while it is under way.
    """

    name: str
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Survivor:
    """A picture of an unrelated caption, before and after the question's picture was unlearned."""

    generation: Generation
    before: Image.Image
    after: Image.Image
    loss: LossChange
    change: Change


@dataclass(frozen=True)
class CounterfactualCheck:
    """One test, as far as it has come.

    Attributes:
        query: described as in an attribution.
        same_noise: the pictures are made again from the picture's own settings; otherwise from its
            caption and fixed seeds, because its own are not known.
        generations: what is made again; before: as the loaded weights make it.
        outcome: of unlearning the first ranks, or the picture itself; None while it is under way.
        controls: of unlearning as many random training images.
        survivors: of unlearning the picture itself.
        warnings: sentences for the person.
        compared: further sets as large, all that were asked for.
        final: False while more is to come.
    """

    query: dict[str, Any]
    settings: CounterfactualSettings
    same_noise: bool
    generations: tuple[Generation, ...]
    before: tuple[Image.Image, ...]
    outcome: Outcome | None = None
    controls: tuple[Outcome, ...] = ()
    survivors: tuple[Survivor, ...] = ()
    warnings: tuple[str, ...] = ()
    compared: tuple[Comparison, ...] = ()
    final: bool = False

    @property
    def tested(self) -> bool:
        """Whether what was unlearned, and every control, is there: a verdict needs no more."""
        return self.outcome is not None and len(self.controls) == self.settings.controls

    @property
    def found(self) -> tuple[Outcome, ...]:
        """Of every set, in the order in which they are unlearned, as far as it has come."""
        further = [each.outcome for each in self.compared]
        return tuple(each for each in (self.outcome, *self.controls, *further) if each is not None)

    def to_json(self) -> dict[str, Any]:
        """The figures without the pictures; JSON-serialisable."""
        return {
            "query": self.query,
            "settings": asdict(self.settings),
            "same_noise": self.same_noise,
            "generations": [asdict(generation) for generation in self.generations],
            "outcome": None if self.outcome is None else _figures(self.outcome),
            "controls": [_figures(control) for control in self.controls],
            "compared": {each.name: _figures(each.outcome) for each in self.compared if each.outcome},
            "survivors": [_figures(survivor) for survivor in self.survivors],
            "warnings": list(self.warnings),
        }


def _figures(value: Outcome | Survivor) -> dict[str, Any]:
    if isinstance(value, Survivor):
        return {
            "generation": asdict(value.generation),
            "loss": asdict(value.loss),
            "change": asdict(value.change),
        }
    return {
        "ids": list(value.ids),
        "rise": value.rise,
        "alpha": value.alpha,
        "loss": asdict(value.loss),
        "changes": [asdict(change) for change in value.changes],
    }

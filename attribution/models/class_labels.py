"""Classes as captions: a model that is told a class is asked with the class's name, or its number.

Names are those of a pipeline's `id2label`, as the diffusers library writes it: several of one class are
separated by commas, each counts, and so does all of it. Without names, captions are numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

import torch
from jaxtyping import Int
from torch import Tensor

from attribution.errors import CaptionError, ModelError
from attribution.models.batch import Conditioning
from attribution.models.families import Config

LABELS = "class_labels"  # by the name that denoisers have for it
KEY = "id2label"  # of a pipeline's configuration
OFFERED = 3  # names that a refusal offers


class Classes:
    """The classes that a model knows.

    Args:
        count: how many there are.
        index: the pipeline's own configuration, which may name them.
        source: its folder, for a person.

    Raises:
        ModelError: a name is given to a class that there is not.
    """

    def __init__(self, count: int, index: Config, source: object):
        named = index.get(KEY) or {}
        self.count, self._numbers = count, dict(_numbers(named))
        wrong = sorted({number for number in self._numbers.values() if not 0 <= number < count})
        if wrong:
            raise ModelError(
                f"{source}/model_index.json names class {wrong[0]}, and the model has {count} classes, "
                f"from 0 on: mend its {KEY}"
            )

    def conditioning(self, captions: Sequence[str]) -> Conditioning:
        """What the denoiser is told of captions: no token, and a class.

        Raises:
            CaptionError: a caption is no class of the model.
        """
        return told([self.number(caption) for caption in captions])

    def check(self, captions: Sequence[str]) -> None:
        """Raises `CaptionError` for the first caption that is no class of the model."""
        for caption in dict.fromkeys(captions):
            self.number(caption)

    def number(self, caption: str) -> int:
        """The class that a caption names.

        Raises:
            CaptionError: it names none; says what may be given.
        """
        words = caption.strip()
        if words.isdecimal() and int(words) < self.count:
            return int(words)
        if words.lower() in self._numbers:
            return self._numbers[words.lower()]
        near = get_close_matches(words.lower(), self._numbers, OFFERED) or list(self._numbers)[:OFFERED]
        named = f"a class by its name, such as {', '.join(map(repr, near))}, or " if near else ""
        raise CaptionError(
            f"the caption {caption!r} is no class of this model: give {named}a number from 0 to "
            f"{self.count - 1}"
        )


def told(numbers: Sequence[int]) -> Conditioning:
    """What a denoiser is told of classes."""
    labels: Int[Tensor, " n"] = torch.tensor(list(numbers), dtype=torch.long)
    return Conditioning(torch.zeros(len(labels), 0, 1), {LABELS: labels})


def _numbers(named: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    for number, names in named.items():
        for name in dict.fromkeys([*names.split(","), names]):
            yield name.strip().lower(), int(number)

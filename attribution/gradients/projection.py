"""A random projection of whitened gradients that keeps inner products on average."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int16
from torch import Tensor

from attribution.errors import SettingsError
from attribution.gradients.curvature import Curvature, Gradient
from attribution.rng import generator

LARGEST = 2048  # dimensions of a sketch; smaller ones must divide it


@dataclass(frozen=True)
class Sketch:
    """A random projection that keeps inner products on average: the count sketch (Charikar et al. 2002).

    Every weight is added, with a random sign, to one of `dimensions` numbers. The inner product of two
    sketches is that of the vectors, with variance at most `(|x|^2 |y|^2 + <x, y>^2) / dimensions`.

    Whitened gradients are divided by the square root of the number of weights, so that their size does
    not grow with the model (half precision would overflow).

    Raises:
        SettingsError: `dimensions` does not divide the largest sketch.
    """

    dimensions: int
    seed: int
    shapes: Mapping[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        if self.dimensions < 1 or LARGEST % self.dimensions:
            raise SettingsError(
                f"a sketch of {self.dimensions} dimensions is not offered: choose a divisor of {LARGEST}"
            )

    @cached_property
    def weights(self) -> int:
        return sum(map(math.prod, self.shapes.values()))

    @cached_property
    def _places(self) -> dict[str, Int16[Tensor, " size"]]:
        """Where each weight is added: twice the number of the place, and one more for the sign plus.

        In two bytes each: a large model has as many places as weights.
        """
        places = {}
        for name, shape in self.shapes.items():
            rng, size = generator(self.seed, "sketch", name), math.prod(shape)
            # Taken from the largest sketch, so that a smaller one is a larger one folded.
            buckets = rng.integers(LARGEST, size=size) % self.dimensions
            places[name] = torch.from_numpy((2 * buckets + rng.integers(2, size=size)).astype(np.int16))
        return places

    def __call__(self, whitened: Mapping[str, Float[Tensor, "n ..."]]) -> Float[Tensor, "n dimensions"]:
        """The sketch of each row's whitened gradient over the square root of the number of weights.

        It is made where the first gradient lies and returned on the CPU.
        """
        first = next(iter(whitened.values()))
        out = torch.zeros(len(first), self.dimensions, dtype=torch.float64, device=first.device)
        for name, packed in self._places.items():
            places = packed.to(first.device)
            signed = whitened[name].flatten(1) * ((places & 1) * 2 - 1)
            out.index_add_(1, (places >> 1).long(), signed.double())
        return (out / math.sqrt(self.weights)).float().cpu()


def sketched_gradients(
    gradients: Iterable[Gradient], curvature: Curvature, sketch: Sketch
) -> Float[Tensor, "n dimensions"]:
    """Whitened and sketched gradients of some examples, which come a few at a time."""
    return torch.cat([sketch(curvature.whitened(group)) for group in gradients])

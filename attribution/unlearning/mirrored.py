"""Unlearn one picture by gradient ascent that cannot run away: its loss is mirrored at the null loss.

Plain ascent has no end: a loss can always be raised further, and what the model knows is wrecked on the
way. The *null loss* `L_0` of a draw is that of a denoiser that knows nothing and predicts zero, the mean
square of what it should predict. Instead of `-L` this descends on

    M = E over draws | L_0 - L(theta) |,

whose gradient below the null loss is that of ascent on L, and above it that of descent: what has been
forgotten entirely is left there. Adam (Kingma & Ba 2015) on fresh draws at every step, with a learning
rate that is a share of each layer's own root mean square, so that it means the same in any model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from attribution.errors import NonFiniteError
from attribution.models.base import DiffusionModel, Weights, masked_mean
from attribution.models.batch import BATCH, Batch

MOMENTS, TINY = (0.9, 0.999), 1e-8  # of Adam, as published


@dataclass(frozen=True)
class MirroredStep:
    """Where the ascent stands.

    Attributes:
        steps: taken.
        weights: new tensors; the loaded ones are unchanged.
        loss: the mean loss of the draws of this step, before it.
        mirrored: the mean distance of their losses from the null loss, which is descended on.
    """

    steps: int
    weights: Weights
    loss: float
    mirrored: float


def mirrored_ascent(
    model: DiffusionModel,
    draws: Callable[[int], Batch],
    steps: int,
    learning_rate: float,
    mask: Float[Tensor, "h w"] | None = None,
    batch_size: int = BATCH,
) -> Iterator[MirroredStep]:
    """Yields the weights after each step.

    Args:
        draws: number of the step, from 0 => the picture's draws.
        learning_rate: a share of the root mean square of each layer's weights.
        batch_size: draws of one pass.

    Raises:
        NonFiniteError: a loss is not finite.
    """
    weights = dict(model.weights)
    rates = {name: learning_rate * float(w.double().square().mean().sqrt()) for name, w in weights.items()}
    first = {name: torch.zeros_like(w) for name, w in weights.items()}
    second = {name: torch.zeros_like(w) for name, w in weights.items()}
    for number in range(1, steps + 1):
        loss, mirrored, gradient = mirrored_gradient(model, weights, draws(number - 1), mask, batch_size)
        for name, g in gradient.items():
            first[name] = MOMENTS[0] * first[name] + (1 - MOMENTS[0]) * g
            second[name] = MOMENTS[1] * second[name] + (1 - MOMENTS[1]) * g.square()
            mean = first[name] / (1 - MOMENTS[0] ** number)
            spread = (second[name] / (1 - MOMENTS[1] ** number)).sqrt()
            weights[name] = weights[name] - rates[name] * mean / (spread + TINY)
        yield MirroredStep(number, dict(weights), loss, mirrored)


def mirrored_gradient(
    model: DiffusionModel,
    weights: Weights,
    batch: Batch,
    mask: Float[Tensor, "h w"] | None = None,
    batch_size: int = BATCH,
) -> tuple[float, float, Mapping[str, Float[Tensor, "out in"]]]:
    """The mean loss of some draws, their mean distance from the null loss, and its gradient.

    Raises:
        NonFiniteError: a loss is not finite.
    """
    losses, distances, gradient = [], [], dict[str, Tensor]()
    for part in batch.parts(batch_size):
        own, factors = model.loss_and_factors(weights, part, mask)
        if not torch.isfinite(own).all():
            raise NonFiniteError(
                "the picture's own loss is not finite while it is unlearned: take smaller steps"
            )
        distance = null_losses(model, part, mask) - own
        away = -distance.sign()[:, None, None]  # each draw's own side of the mirror
        for name, factor in factors.items():
            summed = torch.einsum("bto,bti->oi", away * factor.outputs, factor.inputs) / len(batch)
            gradient[name] = gradient[name] + summed if name in gradient else summed
        losses.append(own.double())
        distances.append(distance.double().abs())
    return float(torch.cat(losses).mean()), float(torch.cat(distances).mean()), gradient


def null_losses(
    model: DiffusionModel, batch: Batch, mask: Float[Tensor, "h w"] | None = None
) -> Float[Tensor, " draws"]:
    """The loss of each draw under a denoiser that predicts zero, as the model was trained."""
    there = batch.to(model.device)
    nothing = torch.zeros_like(there.noise)
    return masked_mean(model.parametrisation.squared_errors(nothing, there), mask)

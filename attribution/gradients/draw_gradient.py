"""The gradient of one picture's own loss, batch by batch of its draws."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from attribution.errors import NonFiniteError
from attribution.models.base import DiffusionModel
from attribution.models.batch import Batch

BACKWARD = 3  # times the work of a forward pass that the gradient of one draw takes


@dataclass(frozen=True)
class QueryGradient:
    """The gradient of the picture's own loss over the draws that are done.

    Attributes:
        draws: done, of `total`.
        mean: `grad L(z_hat, c_hat; theta_0)`, the mean over them.
        loss: the picture's mean loss over them.
        halves: the means over the batches of even and of odd number, two gradients that no draw is
            shared by; None while there is but one batch.
    """

    draws: int
    total: int
    mean: Mapping[str, Float[Tensor, "out in"]]
    loss: float
    halves: tuple[Mapping[str, Float[Tensor, "out in"]], Mapping[str, Float[Tensor, "out in"]]] | None = (
        None
    )


def gradient_over_draws(
    model: DiffusionModel,
    batch: Batch,
    mask: Float[Tensor, "h w"] | None = None,
    batch_size: int = 64,
) -> Iterator[QueryGradient]:
    """Yields the gradient after each batch of draws; the last one is over all of them.

    Raises:
        NonFiniteError: the picture's loss is not finite.
    """
    total = len(batch)
    halves = [{name: torch.zeros_like(weight) for name, weight in model.weights.items()} for _ in range(2)]
    counts, losses_sum = [0, 0], 0.0
    for number, start in enumerate(range(0, total, batch_size)):
        part = batch[start : start + batch_size]
        n = len(part)
        losses, factors = model.loss_and_factors(model.weights, part, mask)
        if not torch.isfinite(losses).all():
            raise NonFiniteError("the picture's own loss is not finite under this model")
        losses_sum += losses.double().sum().item()
        for name, factor in factors.items():
            halves[number % 2][name] += factor.mean() * n
        counts[number % 2] += n
        done = start + n
        mean = {name: (g + halves[1][name]) / done for name, g in halves[0].items()}
        apart = None
        if counts[1]:
            even, odd = (
                {name: g / count for name, g in half.items()}
                for half, count in zip(halves, counts, strict=True)
            )
            apart = (even, odd)
        yield QueryGradient(done, total, mean, losses_sum / done, apart)

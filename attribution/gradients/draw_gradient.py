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

BLOCK = 64  # draws after which the two halves take turns, and that one pass takes at most
BACKWARD = 3  # times the work of a forward pass that the gradient of one draw takes


@dataclass(frozen=True)
class QueryGradient:
    """The gradient of the picture's own loss over the draws that are done.

    Attributes:
        draws: done, of `total`.
        mean: `grad L(z_hat, c_hat; theta_0)`, the mean over them.
        loss: the picture's mean loss over them.
        halves: the means over the blocks of even and of odd number, two gradients that no draw is
            shared by; None while there is but one block.
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
    batch_size: int = BLOCK,
) -> Iterator[QueryGradient]:
    """Yields the gradient after each pass; the last one is over all draws.

    Args:
        batch_size: draws of one pass, forward and backward; nothing depends on it but rounding. More than
            `BLOCK` are never taken at once.

    Raises:
        NonFiniteError: the picture's loss is not finite.
    """
    total = len(batch)
    halves = [{name: torch.zeros_like(weight) for name, weight in model.weights.items()} for _ in range(2)]
    counts, losses_sum = [0, 0], 0.0
    for start, end in _passes(total, batch_size):
        part, half = batch[start:end], start // BLOCK % 2
        n = len(part)
        losses, factors = model.loss_and_factors(model.weights, part, mask)
        if not torch.isfinite(losses).all():
            raise NonFiniteError("the picture's own loss is not finite under this model")
        losses_sum += losses.double().sum().item()
        for name, factor in factors.items():
            halves[half][name] += factor.mean() * n
        counts[half] += n
        done = end
        mean = {name: (g + halves[1][name]) / done for name, g in halves[0].items()}
        apart = None
        if counts[1]:
            even, odd = (
                {name: g / count for name, g in half.items()}
                for half, count in zip(halves, counts, strict=True)
            )
            apart = (even, odd)
        yield QueryGradient(done, total, mean, losses_sum / done, apart)


def _passes(total: int, batch_size: int) -> Iterator[tuple[int, int]]:
    """Yields the first draw of each pass and the one after its last; none reaches into another block."""
    for block in range(0, total, BLOCK):
        end = min(block + BLOCK, total)
        for start in range(block, end, batch_size):
            yield start, min(start + batch_size, end)

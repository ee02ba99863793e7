"""Gradients with respect to all weights of the denoiser, projected to a few thousand numbers.

A feature is `phi = P^T grad_theta f`: f the mean over draws of an objective of one example, P the random
projection of `attribution.gradients.projection` (TRAK, Park et al. 2023, arXiv 2303.14186, step 2). One
backward pass sums over all of an example's draws, and the gradient is never kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attribution.errors import NonFiniteError
from attribution.gradients.projection import Sketch
from attribution.models.base import DiffusionModel, Objective
from attribution.models.batch import Batch, Conditioning
from attribution.models.draws import Probe, probe_draws

TINY = 1e-300  # a squared length that is as good as none
BATCH = 32  # draws of a backward pass through the whole denoiser, at most

Mask = Float[Tensor, "h w"] | None


def probe_batch(
    model: DiffusionModel,
    latent: Float[Tensor, "1 c h w"],
    caption: Conditioning,
    example_id: str,
    probe: Probe,
) -> Batch:
    """Every draw of a probe for one example: timestep by timestep, with all noises of each."""
    count = len(probe.timesteps) * probe.noises
    (draws,) = probe_draws(probe, range(probe.noises), [example_id], model.latent_shape, count)
    return draws.of(latent, caption)


def spread_levels(timesteps: Sequence[int], count: int) -> list[int]:
    """The numbers of `count` of a probe's timesteps, evenly spread; all of them if it has no more."""
    total = len(timesteps)
    count = min(count, total)
    return [(2 * k + 1) * total // (2 * count) for k in range(count)]


def projected_gradient(
    model: DiffusionModel,
    batch: Batch,
    objective: Objective,
    sketch: Sketch,
    mask: Mask = None,
    batch_size: int = BATCH,
) -> tuple[Float[Tensor, " draws"], Float64[Tensor, " dimensions"]]:
    """The loss of each draw, and the projected gradient of the mean objective over them, on the CPU.

    It is over the square root of the number of weights, as every sketch is.

    Raises:
        NonFiniteError: a loss is not finite.
    """
    size, total = min(batch_size, BATCH), len(batch)
    losses, feature = [], torch.zeros(sketch.dimensions, dtype=torch.float64)
    for part in batch.parts(size):
        own, gradient = model.whole_gradient(part, objective, mask)
        losses.append(_finite(own).cpu())
        rows = {name: each[None] for name, each in gradient.items()}
        feature += sketch(rows)[0].double() * (len(part) / total)
    return torch.cat(losses), feature


def balanced_gradient(
    model: DiffusionModel,
    batch: Batch,
    objective: Objective,
    sketch: Sketch,
    timesteps: int,
    mask: Mask = None,
    batch_size: int = BATCH,
) -> tuple[Float[Tensor, " draws"], Float64[Tensor, " dimensions"]]:
    """The same, but each timestep's gradient is brought to length 1 before the mean over timesteps.

    So that no timestep outweighs the others (DAS, Lin et al. 2025, arXiv 2410.18639, section 4.3).

    Args:
        batch: as many draws of each of `timesteps` timesteps, one timestep after the other.
        batch_size: draws of one pass.
    """
    each = len(batch) // timesteps
    losses: list[Tensor] = []
    mean: dict[str, Tensor] = {}
    for start in range(0, len(batch), each):
        own, gradient = _mean_gradient(model, batch[start : start + each], objective, mask, batch_size)
        losses.append(own)
        squares = sum(float(torch.linalg.vector_norm(of_one)) ** 2 for of_one in gradient.values())
        share = 1 / (timesteps * max(squares, TINY) ** 0.5)
        for name, of_one in gradient.items():
            mean.setdefault(name, torch.zeros_like(of_one)).add_(of_one, alpha=share)
    vector = sketch({name: of_one[None] for name, of_one in mean.items()})[0]
    return torch.cat(losses), vector.double()


def _mean_gradient(
    model: DiffusionModel, batch: Batch, objective: Objective, mask: Mask, batch_size: int
) -> tuple[Float[Tensor, " draws"], Mapping[str, Tensor]]:
    """The losses, on the CPU, and the gradient of the mean objective over all draws, unprojected."""
    losses: list[Tensor] = []
    mean: dict[str, Tensor] = {}
    for part in batch.parts(min(batch_size, BATCH)):
        own, gradient = model.whole_gradient(part, objective, mask)
        losses.append(_finite(own).cpu())
        if len(part) == len(batch):
            return losses[0], gradient
        for name, of_one in gradient.items():
            mean.setdefault(name, torch.zeros_like(of_one)).add_(of_one, alpha=len(part) / len(batch))
    return torch.cat(losses), mean


def _finite(losses: Float[Tensor, " draws"]) -> Float[Tensor, " draws"]:
    if not torch.isfinite(losses).all():
        raise NonFiniteError("the loss is not finite under this model")
    return losses

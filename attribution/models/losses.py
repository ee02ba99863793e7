"""Losses draw by draw: of training images at the probe, and of one picture at draws of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor

from attribution.errors import NonFiniteError
from attribution.models.base import DiffusionModel, Weights, masked_mean
from attribution.models.batch import BATCH, Batch, Conditioning
from attribution.models.draws import Probe, probe_draws


def loss_sweep(
    model: DiffusionModel,
    weights: Weights,
    latents: Float[Tensor, "n c h w"],
    captions: Conditioning,
    ids: Sequence[str],
    probe: Probe,
    batch_size: int = 64,
    noises: Sequence[int] | None = None,
    flipped: bool = False,
) -> Iterator[tuple[int, Float32[ndarray, "examples timesteps noises"]]]:
    """Measure `L(z_i, c_i; weights)` draw by draw; yields (draws done, losses so far).

    The array is the same object each time, NaN where nothing is measured yet. The loss of one draw
    is the mean squared error over the latent's elements.

    Args:
        noises: their numbers; None for those of a full measurement.
        flipped: the latents are of mirror images, whose noise is mirrored as well.
    """
    chosen = range(probe.noises) if noises is None else noises
    losses = np.full((len(ids), len(probe.timesteps), len(chosen)), np.nan, np.float32)
    flat = losses.reshape(-1)
    for draws in probe_draws(probe, chosen, ids, model.latent_shape, batch_size):
        errors = model.squared_errors(weights, draws.of(latents, captions, flipped))
        flat[draws.numbers] = masked_mean(errors, None).cpu().numpy()
        yield int(draws.numbers[-1]) + 1, losses


def example_losses(
    model: DiffusionModel,
    weights: Weights,
    latents: Float[Tensor, "n c h w"],
    captions: Conditioning,
    ids: Sequence[str],
    probe: Probe,
    batch_size: int = 64,
    noises: Sequence[int] | None = None,
    flipped: bool = False,
) -> Float32[ndarray, "examples timesteps noises"]:
    """All losses of `loss_sweep` at once.

    Raises:
        NonFiniteError: a loss is NaN or infinite; names the examples.
    """
    losses = np.empty((0, len(probe.timesteps), 0), np.float32)
    given = (latents, captions, ids, probe, batch_size, noises, flipped)
    for _, losses in loss_sweep(model, weights, *given):
        pass
    check_finite(losses, ids)
    return losses


def check_finite(
    measured: Float[ndarray, "examples timesteps noises"], ids: Sequence[str], what: str = "the loss"
) -> None:
    """Raise `NonFiniteError` naming the first examples of which what was measured is not finite."""
    bad = ~np.isfinite(measured).all(axis=(1, 2))
    if bad.any():
        named = ", ".join(ids[i] for i in np.flatnonzero(bad)[:5])
        raise NonFiniteError(f"{what} of {int(bad.sum())} images is not finite, of {named}")


def draw_losses(
    model: DiffusionModel,
    weights: Weights,
    batch: Batch,
    mask: Float[Tensor, "h w"] | None = None,
    batch_size: int = BATCH,
) -> Float[Tensor, " draws"]:
    """The loss of each draw, float64; antithetic pairs stand side by side.

    Args:
        batch_size: draws of one pass.
    """
    losses = [masked_mean(model.squared_errors(weights, part), mask) for part in batch.parts(batch_size)]
    return torch.cat(losses).double()


def own_loss(
    model: DiffusionModel,
    weights: Weights,
    batch: Batch,
    mask: Float[Tensor, "h w"] | None = None,
    batch_size: int = BATCH,
) -> float:
    """The picture's mean loss over some draws."""
    return draw_losses(model, weights, batch, mask, batch_size).mean().item()

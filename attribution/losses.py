"""Per-example DDPM losses on a fixed grid of timesteps with noise that belongs to the example."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from numpy import ndarray
from torch import Tensor

from attribution.diffusion import DiffusionModel, Weights, masked_mean
from attribution.errors import NonFiniteError, SettingsError
from attribution.noise import gaussian


@dataclass(frozen=True)
class Probe:
    """Where every training image's loss is measured. Bound into each artifact's manifest.

    Attributes:
        timesteps: the grid; see `timestep_grid`.
        noises: draws per timestep; two or more give a standard error.
        seed: of the noise.
    """

    timesteps: tuple[int, ...]
    noises: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.timesteps or self.noises < 1:
            raise SettingsError("a probe needs at least one timestep and one noise")


def timestep_grid(num_train_timesteps: int, count: int) -> tuple[int, ...]:
    """`count` timesteps at the middles of equal parts of the schedule, exactly.

    Raises:
        SettingsError: `count` does not divide the schedule; rounding would give a grid of another
            length or spacing without a word.
    """
    if count < 1 or num_train_timesteps % count:
        divisors = [n for n in range(1, 101) if num_train_timesteps % n == 0]
        raise SettingsError(
            f"{count} timesteps do not divide the model's {num_train_timesteps}: choose one of "
            + ", ".join(map(str, divisors))
        )
    stride = num_train_timesteps // count
    return tuple(range(stride // 2, num_train_timesteps, stride))


def loss_sweep(
    model: DiffusionModel,
    weights: Weights,
    latents: Float[Tensor, "n c h w"],
    captions: Float[Tensor, "n tokens d"],
    ids: Sequence[str],
    probe: Probe,
    batch_size: int = 64,
    mask: Float[Tensor, "h w"] | None = None,
) -> Iterator[tuple[int, Float32[ndarray, "examples timesteps noises"]]]:
    """Measure `L(z_i, c_i; weights)` draw by draw; yields (draws done, losses so far).

    The array is the same object each time, NaN where nothing is measured yet. The loss of one draw
    is the mean squared error over the latent's elements (inside the mask).
    """
    grid, noises = len(probe.timesteps), probe.noises
    per_example = grid * noises
    total = len(ids) * per_example
    losses = np.full((len(ids), grid, noises), np.nan, np.float32)
    flat = losses.reshape(-1)
    for start in range(0, total, batch_size):
        draws = np.arange(start, min(start + batch_size, total))
        examples, within = np.divmod(draws, per_example)
        rows = torch.from_numpy(examples)
        timesteps = torch.tensor([probe.timesteps[w // noises] for w in within])
        noise = torch.stack(
            [
                gaussian(probe.seed, "losses", ids[e], int(w), model.latent_shape)
                for e, w in zip(examples, within, strict=True)
            ]
        )
        errors = model.squared_errors(
            weights,
            latents[rows].to(model.device),
            captions[rows.to(captions.device)].to(model.device),
            noise.to(model.device),
            timesteps,
        )
        flat[draws] = masked_mean(errors, mask).cpu().numpy()
        yield int(draws[-1]) + 1, losses


def example_losses(
    model: DiffusionModel,
    weights: Weights,
    latents: Float[Tensor, "n c h w"],
    captions: Float[Tensor, "n tokens d"],
    ids: Sequence[str],
    probe: Probe,
    batch_size: int = 64,
    mask: Float[Tensor, "h w"] | None = None,
) -> Float32[ndarray, "examples timesteps noises"]:
    """All losses of `loss_sweep` at once.

    Raises:
        NonFiniteError: a loss is NaN or infinite; names the examples.
    """
    losses = np.empty((0, len(probe.timesteps), probe.noises), np.float32)
    for _, losses in loss_sweep(model, weights, latents, captions, ids, probe, batch_size, mask):
        pass
    check_finite(losses, ids)
    return losses


def check_finite(losses: Float32[ndarray, "examples timesteps noises"], ids: Sequence[str]) -> None:
    """Raise `NonFiniteError` naming the first examples whose losses are not finite."""
    bad = ~np.isfinite(losses).all(axis=(1, 2))
    if bad.any():
        named = ", ".join(ids[i] for i in np.flatnonzero(bad)[:5])
        raise NonFiniteError(f"the loss of {int(bad.sum())} images is not finite, of {named}")

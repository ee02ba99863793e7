"""Per-example DDPM losses on a fixed grid of timesteps with noise that belongs to the example."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from numpy import ndarray
from torch import Tensor

from attribution.errors import NonFiniteError, SettingsError
from attribution.models.base import DiffusionModel, Weights, masked_mean
from attribution.rng import gaussian


@dataclass(frozen=True)
class Probe:
    """Where every training image's loss is measured. Bound into each artifact's manifest.

    Attributes:
        timesteps: the grid; see `timestep_grid`.
        noises: draws per timestep of a full measurement; two or more give a standard error.
        seed: of the noise.
        pool: draws per timestep whose losses under the loaded weights are precomputed, at least
            `noises`: the further ones are fresh noise for measuring the best again.
    """

    timesteps: tuple[int, ...]
    noises: int = 2
    seed: int = 0
    pool: int = 0

    def __post_init__(self) -> None:
        if not self.timesteps or self.noises < 1:
            raise SettingsError("a probe needs at least one timestep and one noise")
        if self.pool < self.noises:
            object.__setattr__(self, "pool", self.noises)


class ProbeDraws(NamedTuple):
    """Some draws of a probe, for one batch."""

    numbers: Int[ndarray, " draws"]  # consecutive, example by example, timestep by timestep
    examples: Int[Tensor, " draws"]
    timesteps: Int[Tensor, " draws"]
    noise: Float[Tensor, "draws c h w"]


def probe_draws(
    probe: Probe, noises: Sequence[int], ids: Sequence[str], shape: Sequence[int], batch_size: int
) -> Iterator[ProbeDraws]:
    """The draws of every example at every timestep with the noises of these numbers, in batches.

    A draw's noise belongs to (seed, example, timestep, number of the noise).
    """
    grid = len(probe.timesteps)
    per_example = grid * len(noises)
    total = len(ids) * per_example
    for start in range(0, total, batch_size):
        numbers = np.arange(start, min(start + batch_size, total))
        examples, within = np.divmod(numbers, per_example)
        steps, which = np.divmod(within, len(noises))
        noise = [
            gaussian(probe.seed, "losses", ids[e], int(noises[k] * grid + step), shape)
            for e, step, k in zip(examples, steps, which, strict=True)
        ]
        timesteps = torch.tensor([probe.timesteps[step] for step in steps])
        yield ProbeDraws(numbers, torch.from_numpy(examples), timesteps, torch.stack(noise))


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
    noises: Sequence[int] | None = None,
) -> Iterator[tuple[int, Float32[ndarray, "examples timesteps noises"]]]:
    """Measure `L(z_i, c_i; weights)` draw by draw; yields (draws done, losses so far).

    The array is the same object each time, NaN where nothing is measured yet. The loss of one draw
    is the mean squared error over the latent's elements.

    Args:
        noises: their numbers; None for those of a full measurement.
    """
    chosen = range(probe.noises) if noises is None else noises
    losses = np.full((len(ids), len(probe.timesteps), len(chosen)), np.nan, np.float32)
    flat = losses.reshape(-1)
    for draws in probe_draws(probe, chosen, ids, model.latent_shape, batch_size):
        errors = model.squared_errors(
            weights,
            latents[draws.examples].to(model.device),
            captions[draws.examples.to(captions.device)].to(model.device),
            draws.noise.to(model.device),
            draws.timesteps,
        )
        flat[draws.numbers] = masked_mean(errors, None).cpu().numpy()
        yield int(draws.numbers[-1]) + 1, losses


def example_losses(
    model: DiffusionModel,
    weights: Weights,
    latents: Float[Tensor, "n c h w"],
    captions: Float[Tensor, "n tokens d"],
    ids: Sequence[str],
    probe: Probe,
    batch_size: int = 64,
    noises: Sequence[int] | None = None,
) -> Float32[ndarray, "examples timesteps noises"]:
    """All losses of `loss_sweep` at once.

    Raises:
        NonFiniteError: a loss is NaN or infinite; names the examples.
    """
    losses = np.empty((0, len(probe.timesteps), 0), np.float32)
    for _, losses in loss_sweep(model, weights, latents, captions, ids, probe, batch_size, noises):
        pass
    check_finite(losses, ids)
    return losses


def check_finite(losses: Float32[ndarray, "examples timesteps noises"], ids: Sequence[str]) -> None:
    """Raise `NonFiniteError` naming the first examples whose losses are not finite."""
    bad = ~np.isfinite(losses).all(axis=(1, 2))
    if bad.any():
        named = ", ".join(ids[i] for i in np.flatnonzero(bad)[:5])
        raise NonFiniteError(f"the loss of {int(bad.sum())} images is not finite, of {named}")

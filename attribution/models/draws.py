"""Which draws a loss or a gradient is measured at: timesteps, and noise that belongs to the example.

Training images are measured at a `Probe`, a fixed grid of timesteps with noise of each image's own. The
gradient of one picture is over `Draws` of it, stratified over the schedule and in antithetic pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from attribution.errors import SettingsError
from attribution.models.base import DiffusionModel
from attribution.models.batch import Batch, Conditioning
from attribution.rng import gaussian, generator


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


@dataclass(frozen=True, eq=False)
class ProbeDraws:
    """Some draws of a probe, for one batch."""

    numbers: Int[ndarray, " draws"]  # consecutive, example by example, timestep by timestep
    examples: Int[Tensor, " draws"]
    timesteps: Int[Tensor, " draws"]
    noise: Float[Tensor, "draws c h w"]

    def of(
        self, latents: Float[Tensor, "examples c h w"], captions: Conditioning, flipped: bool = False
    ) -> Batch:
        """These draws of the examples whose latents and captions these are.

        Args:
            flipped: the latents are of mirror images, whose noise is mirrored as well.
        """
        noise = self.noise.flip(-1) if flipped else self.noise
        return Batch(latents[self.examples], captions[self.examples], noise, self.timesteps)


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


@dataclass(frozen=True, eq=False)
class Draws:
    """(timestep, noise) draws of one picture, in antithetic pairs."""

    timesteps: Int[Tensor, " draws"]
    noise: Float[Tensor, "draws c h w"]

    def of(self, latent: Float[Tensor, "1 c h w"], caption: Conditioning) -> Batch:
        """These draws of the picture whose latent and caption these are."""
        count = len(self.timesteps)
        return Batch(latent.expand(count, -1, -1, -1), caption.expand(count), self.noise, self.timesteps)


def stratified_draws(
    model: DiffusionModel, count: int, seed: int, purpose: str, example_id: str | None = None
) -> Draws:
    """`count` draws: one random timestep in each of `count / 2` equal strata, noise e and -e in each.

    They come in an order in which every first part is spread over the whole schedule, so that a
    gradient may be looked at before all of it is there. They belong to the example of this id, or to
    the query without one.

    Raises:
        SettingsError: `count` is odd or less than 2.
    """
    if count < 2 or count % 2:
        raise SettingsError(f"{count} draws cannot be paired: give an even number")
    pairs = count // 2
    owner = () if example_id is None else (example_id,)
    jitter = torch.from_numpy(generator(seed, purpose, "timesteps", *owner).random(pairs))
    timesteps = ((torch.arange(pairs) + jitter) / pairs * model.num_train_timesteps).long()
    name = "query" if example_id is None else example_id
    noise = torch.stack([gaussian(seed, purpose, name, k, model.latent_shape) for k in range(pairs)])
    order = spread_order(pairs)
    timesteps, noise = timesteps[order], noise[order]
    return Draws(timesteps.repeat_interleave(2), torch.stack([noise, -noise], dim=1).flatten(0, 1))


def spread_order(count: int) -> Int[Tensor, " count"]:
    """0 ... count - 1 by van der Corput's sequence: bits reversed, so that neighbours are far apart."""
    bits = max(1, (count - 1).bit_length())
    reversed_bits = [int(f"{k:0{bits}b}"[::-1], 2) for k in range(2**bits)]
    return torch.tensor([k for k in reversed_bits if k < count])

"""The samplers of pictures: plain ones of the diffusers library, over the schedule of the losses.

A picture is a function of its seed alone, whichever sampler a pipeline's files name: that sampler's own
order and noise are left out, what it says of the schedule and of the steps is kept. Over a table of betas
it is DDIM without added noise, along the straight line of flow matching Euler's steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from diffusers import DDIMScheduler, FlowMatchEulerDiscreteScheduler
from torch import Tensor

from attribution.models.parametrisation import signal_variance

# Keys that mean the same in every scheduler of the diffusers library that has them.
KEPT = (
    "num_train_timesteps", "prediction_type", "timestep_spacing", "steps_offset", "set_alpha_to_one",
    "thresholding", "dynamic_thresholding_ratio", "sample_max_value", "clip_sample_range",
)  # fmt: skip


class Sampler(ABC):
    """Steps from noise to a picture.

    Attributes:
        times: of the steps, as the denoiser is told them.
        places: of the steps in the training schedule.
    """

    times: Tensor
    places: Sequence[int]

    @abstractmethod
    def step(self, number: int, prediction: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        """The latents behind a step, and the clean latents it points to."""


class Ddim(Sampler):
    """DDIM (Song et al. 2021) without added noise."""

    def __init__(self, scheduler: DDIMScheduler, steps: int, device: torch.device):
        scheduler.set_timesteps(steps)
        self._scheduler = scheduler
        self.times = scheduler.timesteps.to(device)
        self.places = [int(time) for time in scheduler.timesteps]

    def step(self, number: int, prediction: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        step = self._scheduler.step(prediction, self._scheduler.timesteps[number], latents)
        return step.prev_sample, step.pred_original_sample


def sampler_of(scheduler: Any, steps: int, device: torch.device) -> Sampler:
    """Return the sampler for a loaded pipeline's scheduler.

    Latents are clipped only where the scheduler says so: most have no such key, and what DDIM does when
    it is told nothing is to clip. So every key is taken from the scheduler as it was loaded, with its own
    class's defaults, and none is left to DDIM's where the scheduler has it.
    """
    told = dict(scheduler.config)
    kept = {key: told[key] for key in KEPT if key in told}
    sampler = DDIMScheduler(**kept, clip_sample=bool(told.get("clip_sample", False)))
    sampler.alphas_cumprod = signal_variance(scheduler).to(sampler.alphas_cumprod)
    if not told.get("set_alpha_to_one", True):
        sampler.final_alpha_cumprod = sampler.alphas_cumprod[0]
    return Ddim(sampler, steps, device)


class FlowEuler(Sampler):
    """Euler's steps along the straight line of flow matching, without added noise.

    Args:
        scheduler: a loaded pipeline's FlowMatchEulerDiscreteScheduler.
        training: how much noise there is at each time of the training schedule.
        how: what else the library's scheduler is told (`mu`, `sigmas`).
    """

    def __init__(self, scheduler: Any, steps: int, device: torch.device, training: Tensor, **how: Any):
        told = {**scheduler.config, "stochastic_sampling": False}
        self._scheduler = FlowMatchEulerDiscreteScheduler.from_config(told)
        self._scheduler.set_timesteps(None if "sigmas" in how else steps, device=device, **how)
        self.times = self._scheduler.timesteps
        self._noise = self._scheduler.sigmas
        self.places = [int((training.to(device) - each).abs().argmin()) for each in self._noise[:-1]]

    def step(self, number: int, prediction: Tensor, latents: Tensor) -> tuple[Tensor, Tensor]:
        clean = latents - self._noise[number] * prediction
        behind = self._scheduler.step(prediction, self.times[number], latents, return_dict=False)[0]
        return behind, clean


def flow_shift(scheduler: Any, tokens: int) -> float:
    """Return by how much a schedule is shifted for a picture of so many tokens, where that depends on them.

    A straight line in the number of tokens, as the diffusers library draws it for SD3 and Flux (its
    `calculate_shift`); `mu` is its name there.
    """
    from_tokens, to_tokens = scheduler.config.base_image_seq_len, scheduler.config.max_image_seq_len
    least, most = scheduler.config.base_shift, scheduler.config.max_shift
    slope = (most - least) / (to_tokens - from_tokens)
    return float(tokens * slope + (least - slope * from_tokens))


def preview_steps(steps: int, previews: int) -> frozenset[int]:
    """After which of 1 ... `steps` - 1 to look: `previews` of them, evenly spread, or all there are."""
    return frozenset(round(k * steps / (previews + 1)) for k in range(1, previews + 1)) & {*range(1, steps)}

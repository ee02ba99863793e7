"""The sampler of pictures: DDIM without added noise, over the very schedule that losses are measured at.

A picture is a function of its seed alone, whichever sampler a pipeline's files name: that sampler's own
order and noise are left out, what it says of the schedule and of the steps is kept.
"""

from __future__ import annotations

from typing import Any

from diffusers import DDIMScheduler

from attribution.models.parametrisation import signal_variance

# Keys that mean the same in every scheduler of the diffusers library that has them.
KEPT = (
    "num_train_timesteps", "prediction_type", "timestep_spacing", "steps_offset", "set_alpha_to_one",
    "thresholding", "dynamic_thresholding_ratio", "sample_max_value", "clip_sample_range",
)  # fmt: skip


def sampler_of(scheduler: Any) -> DDIMScheduler:
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
    return sampler

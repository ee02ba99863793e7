"""What the diffusers library's own pipelines predict and make: plain loops that know nothing of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from torch import Tensor, nn

from attribution.models.batch import Batch
from attribution.query import Generation
from tests.worlds import families
from tests.worlds.foreign import RESOLUTION, make_pipeline

WORDS = ("a red square", "a blue bar", "a green circle")


@dataclass(frozen=True)
class Plain:
    """One family.

    Attributes:
        make: saves a tiny pipeline.
        denoiser: the name of the part that predicts.
        prediction: of a pipeline for noisy latents, times as the denoiser is told them, and captions.
        picture: makes one from some noise; None where the library has no pipeline that can be told.
        captions: that it may be told.
        guided: whether a picture is guided away from a negative prompt.
        latent: what lies in a pipeline's latents, as ours are laid out.
    """

    make: Callable[[Path], Path]
    denoiser: str
    prediction: Callable[[Any, Tensor, Tensor, Sequence[str]], Tensor]
    picture: Callable[[Any, Generation, Tensor], object] | None
    captions: Sequence[str] = WORDS
    guided: bool = True
    latent: Callable[[Any, Tensor], Tensor] = lambda pipeline, latent: latent


def opened(folder: Path) -> Any:
    """The library's pipeline of a folder, quiet and frozen."""
    index = DiffusionPipeline.load_config(folder)
    absent = {name: None for name, part in index.items() if part == [None, None]}
    pipeline = DiffusionPipeline.from_pretrained(folder, **absent)
    pipeline.set_progress_bar_config(disable=True)
    for part in pipeline.components.values():
        if isinstance(part, nn.Module):
            part.requires_grad_(False)
    return pipeline


def latents_along(plain: Plain, pipeline: Any, made_from: Generation, noise: Tensor) -> list[Tensor]:
    """After each step of a picture from some noise, by DDIM."""
    assert plain.picture is not None
    if not hasattr(pipeline.scheduler, "scale_noise"):  # not of flow matching
        pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    step, seen = pipeline.scheduler.step, list[Tensor]()

    def watched(*given: Any, **named: Any) -> Any:
        result = step(*given, **named)
        # Guided pipelines without prompts step two copies of a latent.
        seen.append((result[0] if isinstance(result, tuple) else result.prev_sample)[:1].clone())
        return result

    pipeline.scheduler.step = watched
    plain.picture(pipeline, made_from, noise)
    return [plain.latent(pipeline, each) for each in seen]


def noisy_at(pipeline: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Noisy latents by the library's own scheduler, and the times as the denoiser is told them."""
    scheduler = pipeline.scheduler
    if not hasattr(scheduler, "scale_noise"):
        return scheduler.add_noise(batch.latents, batch.noise, batch.times), batch.times
    times = scheduler.timesteps.flip(0)[batch.times]  # of flow matching: from much noise to little
    return scheduler.scale_noise(batch.latents, times, batch.noise), times


def by_prompt(pipeline: Any, made_from: Generation, noise: Tensor) -> object:
    return pipeline(
        made_from.prompt,
        negative_prompt=made_from.negative_prompt or None,
        num_inference_steps=made_from.steps,
        guidance_scale=made_from.guidance,
        latents=noise,
        output_type="latent",
    )


def of_stable_diffusion(pipeline: Any, noisy: Tensor, times: Tensor, captions: Sequence[str]) -> Tensor:
    tokens, _ = pipeline.encode_prompt(list(captions), "cpu", 1, False)
    prediction: Tensor = pipeline.unet(noisy, times, encoder_hidden_states=tokens).sample
    return prediction


def of_sdxl(pipeline: Any, noisy: Tensor, times: Tensor, captions: Sequence[str]) -> Tensor:
    tokens, _, pooled, _ = pipeline.encode_prompt(list(captions), do_classifier_free_guidance=False)
    sides = (RESOLUTION, RESOLUTION)
    width = pipeline.text_encoder_2.config.projection_dim
    sizes = pipeline._get_add_time_ids(sides, (0, 0), sides, torch.float32, width)
    told = {"text_embeds": pooled, "time_ids": sizes.repeat(len(captions), 1)}
    prediction: Tensor = pipeline.unet(
        noisy, times, encoder_hidden_states=tokens, added_cond_kwargs=told
    ).sample
    return prediction


PLAIN = {
    "Stable Diffusion": Plain(make_pipeline, "unet", of_stable_diffusion, by_prompt),
    "Stable Diffusion XL": Plain(families.make_sdxl, "unet", of_sdxl, by_prompt),
}

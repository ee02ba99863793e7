"""What the diffusers library's own pipelines predict and make: plain loops that know nothing of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from torch import Tensor, nn

from attribution.models.batch import Batch
from attribution.query import Generation
from tests.worlds import families
from tests.worlds.foreign import RESOLUTION, make_pipeline

WORDS = ("a red square", "a blue bar", "a green circle")
CLASSES = ("3", "0", "4")


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


def by_lower_case_prompt(pipeline: Any, made_from: Generation, noise: Tensor) -> object:
    """PixArt: a negative prompt has to be words, and a picture's size need not be on the library's list."""
    return pipeline(
        made_from.prompt,
        negative_prompt=made_from.negative_prompt,
        num_inference_steps=made_from.steps,
        guidance_scale=made_from.guidance,
        latents=noise,
        output_type="latent",
        use_resolution_binning=False,
    )


def by_packed_prompt(pipeline: Any, made_from: Generation, noise: Tensor) -> object:
    """Flux: four cells of a latent are one token."""
    return pipeline(
        made_from.prompt,
        height=RESOLUTION,
        width=RESOLUTION,
        num_inference_steps=made_from.steps,
        guidance_scale=made_from.guidance,
        latents=pipeline._pack_latents(noise, *noise.shape),
        output_type="latent",
    )


def unpacked(pipeline: Any, latent: Tensor) -> Tensor:
    found: Tensor = pipeline._unpack_latents(latent, RESOLUTION, RESOLUTION, pipeline.vae_scale_factor)
    return found


def by_class(pipeline: Any, made_from: Generation, noise: Tensor) -> object:
    with patch("diffusers.pipelines.dit.pipeline_dit.randn_tensor", return_value=noise):
        return pipeline([int(made_from.prompt)], made_from.guidance, num_inference_steps=made_from.steps)


def by_nothing(pipeline: Any, made_from: Generation, noise: Tensor) -> object:
    with patch("diffusers.pipelines.ddpm.pipeline_ddpm.randn_tensor", return_value=noise):
        return pipeline(num_inference_steps=made_from.steps)


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


def of_dit(pipeline: Any, noisy: Tensor, times: Tensor, captions: Sequence[str]) -> Tensor:
    labels = torch.tensor([int(caption) for caption in captions])
    prediction: Tensor = pipeline.transformer(noisy, timestep=times, class_labels=labels).sample
    return prediction.chunk(2, dim=1)[0]


def of_ddpm(pipeline: Any, noisy: Tensor, times: Tensor, captions: Sequence[str]) -> Tensor:
    prediction: Tensor = pipeline.unet(noisy, times).sample
    return prediction


def of_labelled_ddpm(pipeline: Any, noisy: Tensor, times: Tensor, captions: Sequence[str]) -> Tensor:
    labels = torch.tensor([int(caption) for caption in captions])
    prediction: Tensor = pipeline.unet(noisy, times, class_labels=labels).sample
    return prediction


def of_pixart(pipeline: Any, noisy: Tensor, times: Tensor, captions: Sequence[str]) -> Tensor:
    length = 300 if "Sigma" in type(pipeline).__name__ else 120
    words, mask, _, _ = pipeline.encode_prompt(
        list(captions), do_classifier_free_guidance=False, max_sequence_length=length
    )
    told = {"resolution": None, "aspect_ratio": None}
    if pipeline.transformer.use_additional_conditions:
        size = torch.tensor([[RESOLUTION, RESOLUTION]] * len(captions)).float()
        told = {"resolution": size, "aspect_ratio": torch.ones(len(captions), 1)}
    prediction: Tensor = pipeline.transformer(
        noisy,
        encoder_hidden_states=words,
        encoder_attention_mask=mask,
        timestep=times,
        added_cond_kwargs=told,
    ).sample
    return prediction.chunk(2, dim=1)[0]


def of_sd3(pipeline: Any, noisy: Tensor, times: Tensor, captions: Sequence[str]) -> Tensor:
    tokens, _, pooled, _ = pipeline.encode_prompt(
        list(captions), None, None, do_classifier_free_guidance=False
    )
    prediction: Tensor = pipeline.transformer(
        hidden_states=noisy, timestep=times, encoder_hidden_states=tokens, pooled_projections=pooled
    ).sample
    return prediction


def of_flux(pipeline: Any, noisy: Tensor, times: Tensor, captions: Sequence[str]) -> Tensor:
    tokens, pooled, text_ids = pipeline.encode_prompt(list(captions), None)
    sides = noisy.shape[2] // 2, noisy.shape[3] // 2
    told = (
        {"guidance": torch.full((len(noisy),), 3.5)} if pipeline.transformer.config.guidance_embeds else {}
    )
    prediction = pipeline.transformer(
        hidden_states=pipeline._pack_latents(noisy, *noisy.shape),
        timestep=times / 1000,
        pooled_projections=pooled,
        encoder_hidden_states=tokens,
        txt_ids=text_ids,
        img_ids=pipeline._prepare_latent_image_ids(len(noisy), *sides, "cpu", torch.float32),
        **told,
    ).sample
    return unpacked(pipeline, prediction)


PLAIN = {
    "Stable Diffusion": Plain(make_pipeline, "unet", of_stable_diffusion, by_prompt),
    "Stable Diffusion XL": Plain(families.make_sdxl, "unet", of_sdxl, by_prompt),
    "DiT": Plain(families.make_dit, "transformer", of_dit, by_class, CLASSES, guided=False),
    "DDPM": Plain(families.make_ddpm, "unet", of_ddpm, by_nothing, guided=False),
    "DDPM of classes": Plain(families.make_labelled_ddpm, "unet", of_labelled_ddpm, None, CLASSES, False),
    "PixArt alpha": Plain(families.make_pixart, "transformer", of_pixart, by_lower_case_prompt),
    "PixArt alpha told its size": Plain(
        partial(families.make_pixart, sized=True), "transformer", of_pixart, None
    ),
    "PixArt sigma": Plain(
        partial(families.make_pixart, sigma=True), "transformer", of_pixart, by_lower_case_prompt
    ),
    "SD3": Plain(families.make_sd3, "transformer", of_sd3, by_prompt),
    "SD3 without T5, shifted by size": Plain(
        partial(families.make_sd3, t5=False, dynamic=True), "transformer", of_sd3, by_prompt
    ),
    "Flux dev": Plain(
        families.make_flux, "transformer", of_flux, by_packed_prompt, guided=False, latent=unpacked
    ),
    "Flux schnell": Plain(
        partial(families.make_flux, guidance=False),
        "transformer",
        of_flux,
        by_packed_prompt,
        guided=False,
        latent=unpacked,
    ),
}

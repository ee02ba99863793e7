"""Laws of sampling: the pictures that a pipeline's own schedule makes, whichever sampler its files name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    SchedulerMixin,
    StableDiffusionPipeline,
    UniPCMultistepScheduler,
)
from torch import Tensor

from attribution.errors import ModelError
from attribution.models.base import Generation, open_model
from attribution.models.draws import stratified_draws
from attribution.models.stable_diffusion import PipelineModel
from attribution.rng import gaussian
from tests.worlds.foreign import OMITTED, altered

# The diffusers library mends old files with a warning (`steps_offset`, `clip_sample`), and asks NumPy for
# arrays in a way that is going out of use.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
MADE_FROM = Generation("a red bar", seed=5, steps=5, guidance=3.0)
SILENT = (PNDMScheduler, EulerDiscreteScheduler, DPMSolverMultistepScheduler, UniPCMultistepScheduler)
RESCALED = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}


def opened(folder: Path) -> PipelineModel:
    model = open_model(folder)
    assert isinstance(model, PipelineModel)
    return model


def latents_of(model: PipelineModel) -> Tensor:
    """Of the finished picture."""
    with torch.no_grad():
        *_, (_, latents, _) = model._denoising([MADE_FROM], None)
    return latents


def pipelines_own(folder: Path) -> Tensor:
    """The latents of the same picture by the diffusers library's pipeline, with its own scheduler."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, safety_checker=None)
    pipeline.set_progress_bar_config(disable=True)
    sides = pipeline.unet.config.in_channels, *2 * [pipeline.unet.config.sample_size]
    noise = gaussian(MADE_FROM.seed, "picture", "", 0, sides)[None]
    made: Tensor = pipeline(
        MADE_FROM.prompt,
        num_inference_steps=MADE_FROM.steps,
        guidance_scale=MADE_FROM.guidance,
        latents=noise,
        output_type="latent",
    ).images
    return made


@torch.no_grad()
def plain_loop(model: PipelineModel) -> Tensor:
    """DDIM as it is written (Song et al. 2021, eq. 12, without added noise)."""
    variance = model.scheduler.alphas_cumprod
    end = variance[0] if model.scheduler.config.get("set_alpha_to_one") is False else torch.tensor(1.0)
    sampler = DDIMScheduler(
        timestep_spacing=model.scheduler.config.timestep_spacing,
        steps_offset=model.scheduler.config.get("steps_offset", 0),
    )
    sampler.set_timesteps(MADE_FROM.steps)
    x = gaussian(MADE_FROM.seed, "picture", "", 0, model.latent_shape)[None]
    without, told = (model.encode_captions([words]).tokens for words in ("", MADE_FROM.prompt))
    for time in sampler.timesteps:
        plain, asked = (model.unet(x, time, encoder_hidden_states=c).sample for c in (without, told))
        noise = plain + MADE_FROM.guidance * (asked - plain)
        clean = (x - (1 - variance[time]).sqrt() * noise) / variance[time].sqrt()
        before = int(time) - 1000 // MADE_FROM.steps
        target = variance[before] if before >= 0 else end
        x = target.sqrt() * clean + (1 - target).sqrt() * noise
    return x


@pytest.mark.parametrize("kind", SILENT)
def test_latents_are_not_clipped_where_a_scheduler_does_not_say_so(
    foreign_pipeline: Path, tmp_path: Path, kind: type[SchedulerMixin]
) -> None:
    """Law: A picture is that of a plain loop, its latents unclipped, where a scheduler's file is silent."""
    model = opened(altered(foreign_pipeline, tmp_path / "model", kind()))
    expected = plain_loop(model)
    assert expected.abs().max() > 1.5  # or clipping would change nothing
    torch.testing.assert_close(latents_of(model), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "scheduler",
    [
        EulerDiscreteScheduler(timestep_spacing="leading", steps_offset=1),
        DPMSolverMultistepScheduler(timestep_spacing="trailing", solver_order=1),
        DDIMScheduler(steps_offset=1, set_alpha_to_one=False, beta_schedule="scaled_linear"),
        DDIMScheduler(prediction_type="v_prediction", clip_sample=False, **RESCALED),
        DDIMScheduler(clip_sample=False, timestep_spacing="trailing", beta_schedule="squaredcos_cap_v2"),
    ],
    ids=["euler", "dpm-solver-1", "ddim", "zero-snr", "trailing"],
)
def test_a_picture_is_the_one_that_the_pipeline_makes_with_its_own_scheduler(
    foreign_pipeline: Path, tmp_path: Path, scheduler: SchedulerMixin
) -> None:
    """Law: A picture is the diffusers library's own, where its scheduler follows the same path."""
    folder = altered(foreign_pipeline, tmp_path / "model", scheduler)
    found = latents_of(opened(folder))
    torch.testing.assert_close(found, pipelines_own(folder), rtol=2e-3, atol=2e-3)


def test_a_file_that_lost_its_clip_sample_is_read_as_the_library_reads_it(
    foreign_pipeline: Path, tmp_path: Path
) -> None:
    whole = altered(foreign_pipeline, tmp_path / "whole", scheduler={"timestep_spacing": "trailing"})
    silent = altered(whole, tmp_path / "silent", scheduler={"clip_sample": OMITTED})
    assert torch.equal(latents_of(opened(silent)), latents_of(opened(whole)))


def test_zero_terminal_snr_with_v_prediction_has_finite_losses(
    foreign_pipeline: Path, tmp_path: Path
) -> None:
    def losses(name: str, scheduler: SchedulerMixin) -> Tensor:
        model = opened(altered(foreign_pipeline, tmp_path / name, scheduler))
        assert model.parametrisation.signal[-1] == 0
        draws = stratified_draws(model, 8, 0, "a law")
        latent = gaussian(1, "a law", "", 0, model.latent_shape)[None]
        batch = draws.of(latent, model.encode_captions(["a red bar"]))
        return model.squared_errors(model.weights, batch)

    told: dict[str, Any] = {"prediction_type": "v_prediction", **RESCALED}
    by_ddpm = losses("ddpm", DDPMScheduler(**told))
    assert by_ddpm.isfinite().all()
    # Some samplers put 2^-24 where the signal is none: what they sample does not decide a loss.
    assert torch.equal(losses("euler", EulerDiscreteScheduler(**told)), by_ddpm)


@pytest.mark.parametrize("kind", [DDPMScheduler, EulerDiscreteScheduler])
def test_zero_terminal_snr_with_epsilon_is_refused_by_name(
    foreign_pipeline: Path, tmp_path: Path, kind: type[SchedulerMixin]
) -> None:
    """Law: A schedule that ends in pure noise is refused where the noise is what is predicted."""
    folder = altered(foreign_pipeline, tmp_path / "model", kind(**RESCALED))
    with pytest.raises(ModelError, match=r'pure noise .* write .*"v_prediction" or'):
        open_model(folder)

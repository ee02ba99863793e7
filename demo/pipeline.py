"""The trained networks as a standard pipeline folder."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline
from transformers import CLIPTokenizer

from demo.diffusion import Denoiser, new_scheduler
from demo.saving import publish, save_pipeline


def publish_pipeline(
    vae: AutoencoderTiny, denoiser: Denoiser, tokenizer: CLIPTokenizer, folder: Path
) -> None:
    """Write the pipeline of these parts in half precision; the folder is whole or absent."""
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=denoiser.text_encoder,
        tokenizer=tokenizer,
        unet=denoiser.unet,
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).to("cpu", torch.float16)
    publish(lambda part: save_pipeline(pipeline, part), folder)

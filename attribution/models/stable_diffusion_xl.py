"""Stable Diffusion XL (Podell et al. 2023, arXiv 2307.01952), the base model.

Its U-Net attends to the tokens of two CLIPs side by side, each from its last layer but one. Beside the time
it is told the second one's embedding of the whole caption, and six numbers: the height and width that the
picture had, where it was cropped (top, left), and the height and width that it is to have. What was said of
each training image in training is written nowhere: all are said to have the model's own size and not to be
cropped, which is what the diffusers library makes pictures with.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attribution.errors import ModelError
from attribution.models.base import Generation
from attribution.models.batch import Conditioning
from attribution.models.caption_tokens import token_ids
from attribution.models.denoiser_model import Asked
from attribution.models.families import INDEX, Config, Layout, Read
from attribution.models.latent_model import LatentModel
from attribution.models.pipeline_checks import (
    check_class,
    check_parts,
    check_scheduler,
    check_unet,
    check_width,
)

SIZES = 6  # numbers that say of what size a picture is
POOLED, TIME_IDS = "text_embeds", "time_ids"  # by the names that the U-Net has for them


def check(source: str | Path, read: Read) -> None:
    """Refuse what cannot be asked of Stable Diffusion XL, the refiner among it.

    Raises:
        ModelError: says what it is.
    """
    index, unet = read(INDEX), read("unet")
    if index.get("requires_aesthetics_score") or not any(index.get("text_encoder") or ()):
        raise ModelError(
            f"{source} is the refiner of Stable Diffusion XL, which ends what another model began, and is "
            "told how beautiful a picture is: give the base model (stable-diffusion-xl-base)"
        )
    check_parts(source, index, StableDiffusionXL.layout.parts)
    check_class(source, index, "unet", ("UNet2DConditionModel",))
    if unet.get("addition_embed_type") != "text_time":
        raise ModelError(
            f"the U-Net of {source} is not told what Stable Diffusion XL's is (addition_embed_type is "
            f"{unet.get('addition_embed_type')!r}, not 'text_time'): give a pipeline of that family"
        )
    check_unet(source, unet, read("vae"), told=("addition_embed_type",))
    encoders = read("text_encoder"), read("text_encoder_2")
    check_width(source, sum(int(encoder.get("hidden_size", 0)) for encoder in encoders), unet)
    _check_embeddings(source, unet, encoders[1])
    check_scheduler(source, read("scheduler"))


def _check_embeddings(source: str | Path, unet: Config, encoder: Config) -> None:
    """The U-Net must be told one vector of the caption and the six numbers."""
    width = int(encoder.get("projection_dim", 0))
    taken = int(unet.get("projection_class_embeddings_input_dim") or 0)
    given = width + SIZES * int(unet.get("addition_time_embed_dim") or 0)
    if taken != given:
        raise ModelError(
            f"the U-Net of {source} takes {taken} numbers beside the tokens, and its second text encoder "
            f"and the picture's sizes give {given}: they do not belong together; copy the pipeline again"
        )


class StableDiffusionXL(LatentModel):
    """A Stable Diffusion XL pipeline."""

    layout = Layout(
        "Stable Diffusion XL",
        (
            "StableDiffusionXLPipeline",
            "StableDiffusionXLImg2ImgPipeline",
            "StableDiffusionXLInpaintPipeline",
            "StableDiffusionXLPAGPipeline",
        ),
        "unet",
        ("unet", "vae", "text_encoder", "text_encoder_2"),
        ("tokenizer", "tokenizer_2", "scheduler"),
        check,
    )

    def _hold(self, pipeline: Any, folder: Path) -> None:
        super()._hold(pipeline, folder)
        self.tokenizer = pipeline.tokenizer
        encoders = [self._part(each) for each in (pipeline.text_encoder, pipeline.text_encoder_2)]
        self._readers = list(zip((pipeline.tokenizer, pipeline.tokenizer_2), encoders, strict=True))
        self._empty_is_zero = bool(pipeline.config.force_zeros_for_empty_prompt)

    @torch.no_grad()
    def encode_captions(self, captions: Sequence[str]) -> Conditioning:
        read = [
            encoder(token_ids(tokenizer, captions).to(self.device), output_hidden_states=True)
            for tokenizer, encoder in self._readers
        ]
        tokens = torch.cat([each.hidden_states[-2] for each in read], dim=-1)
        side = float(self.resolution)
        sizes = tokens.new_tensor([side, side, 0, 0, side, side]).repeat(len(captions), 1)
        return Conditioning(tokens, {POOLED: read[-1].text_embeds, TIME_IDS: sizes})

    def _guiding(self, generations: Sequence[Generation]) -> Conditioning:
        told = super()._guiding(generations)
        if not self._empty_is_zero:
            return told
        said = [bool(each.negative_prompt) for each in generations] + [True] * len(generations)
        kept = told.tokens.new_tensor(said)
        further = {**told.further, POOLED: told.further[POOLED] * kept[:, None]}
        return Conditioning(told.tokens * kept[:, None, None], further)

    def _denoised(
        self, denoiser: Asked, noisy: Float[Tensor, "n c h w"], times: Tensor, conditioning: Conditioning
    ) -> Float[Tensor, "n c h w"]:
        prediction: Tensor = denoiser(
            noisy,
            times,
            encoder_hidden_states=conditioning.tokens,
            added_cond_kwargs=dict(conditioning.further),
        ).sample
        return prediction


PIPELINES = (StableDiffusionXL,)

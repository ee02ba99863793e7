"""Flux 1 (Black Forest Labs 2024): a rectified-flow transformer in which captions attend with latents.

A T5 makes the caption's tokens, a CLIP one embedding of the whole caption. Four cells of the latent are one
token. Guidance is no second pass: the distilled model (dev) is told its strength as a number, the fast one
(schnell) nothing; neither can be told what a picture should not show. With which strength a training image
was learnt is not known: losses are measured at `TRAINED`, which the library's training scripts use.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from attribution.errors import ModelError
from attribution.models.autoencoder import downscaling
from attribution.models.base import Generation
from attribution.models.batch import Conditioning
from attribution.models.caption_tokens import token_ids
from attribution.models.denoiser_model import Asked
from attribution.models.families import INDEX, Layout, Read
from attribution.models.latent_model import LatentModel
from attribution.models.layers import JOINT_ATTENTION_CONTEXT_KV
from attribution.models.pipeline_checks import (
    PICTURE,
    check_class,
    check_flow_scheduler,
    check_parts,
    side_of,
)
from attribution.models.sampler import FlowEuler, Sampler, flow_shift

T5_TOKENS = 512  # of a caption, as the diffusers library reads it
TRAINED = 3.5  # the strength of guidance that losses are measured at
POOLED, GUIDANCE = "pooled_projections", "guidance"  # by the names that the transformer has for them
PATCH = 2  # cells of a latent on each side of a token


def check(source: str | Path, read: Read) -> None:
    """Refuse what cannot be asked of Flux.

    Raises:
        ModelError: says what it is.
    """
    index, transformer, vae = read(INDEX), read("transformer"), read("vae")
    check_parts(source, index, Flux.layout.parts)
    check_class(source, index, "transformer", ("FluxTransformer2DModel",))
    taken, given = int(transformer.get("in_channels", 64)), int(vae.get("latent_channels", 4)) * PATCH**2
    made = int(transformer.get("out_channels") or taken)
    if not taken == made == given:
        raise ModelError(
            f"the transformer of {source} takes {taken} channels and makes {made}, and four cells of a "
            f"latent have {given}: it is told more than a caption (Fill, Canny, Depth); give the "
            "text-to-image model"
        )
    side = side_of(vae, source, "vae", PICTURE) // 2 ** (len(vae.get("block_out_channels") or ()) - 1)
    if side % PATCH:
        raise ModelError(
            f"a latent of {source} has {side} cells a side, which is odd: mend its vae/config.json"
        )
    check_flow_scheduler(source, read("scheduler"))


class Flux(LatentModel):
    """A Flux pipeline. Its pictures are as large as its autoencoder's configuration says."""

    layout = Layout(
        "Flux",
        ("FluxPipeline", "FluxImg2ImgPipeline", "FluxInpaintPipeline"),
        "transformer",
        ("transformer", "vae", "text_encoder", "text_encoder_2"),
        ("tokenizer", "tokenizer_2", "scheduler"),
        check,
        layers=JOINT_ATTENTION_CONTEXT_KV,
    )
    takes_negative_prompt = False

    def _latent_side(self, pipeline: Any, folder: Path) -> int:
        """A Flux transformer does not say of what size it is."""
        return side_of(pipeline.vae.config, folder, "vae", PICTURE) // downscaling(pipeline.vae)

    def _hold(self, pipeline: Any, folder: Path) -> None:
        super()._hold(pipeline, folder)
        self._clip_tokenizer, self.tokenizer = pipeline.tokenizer, pipeline.tokenizer_2
        self.caption_tokens = T5_TOKENS
        self._clip, self._t5 = (
            self._part(each) for each in (pipeline.text_encoder, pipeline.text_encoder_2)
        )
        self._is_told_guidance = bool(pipeline.transformer.config.guidance_embeds)

    @torch.no_grad()
    def encode_captions(self, captions: Sequence[str]) -> Conditioning:
        pooled = self._clip(token_ids(self._clip_tokenizer, captions).to(self.device)).pooler_output
        tokens: Tensor = self._t5(token_ids(self.tokenizer, captions, T5_TOKENS).to(self.device))[0]
        further = {POOLED: pooled}
        if self._is_told_guidance:
            further[GUIDANCE] = tokens.new_full((len(captions),), TRAINED)
        return Conditioning(tokens, further)

    def _guiding(self, generations: Sequence[Generation]) -> Conditioning:
        told = self.encode_captions([each.prompt for each in generations])
        if not self._is_told_guidance:
            return told
        strength = told.tokens.new_tensor([each.guidance for each in generations])
        return Conditioning(told.tokens, {**told.further, GUIDANCE: strength})

    def _sampler(self, steps: int) -> Sampler:
        _, height, width = self.latent_shape
        tokens = height * width // PATCH**2
        how: dict[str, Any] = {"sigmas": np.linspace(1.0, 1 / steps, steps)}
        if self.scheduler.config.use_dynamic_shifting:
            how["mu"] = flow_shift(self.scheduler, tokens)
        return FlowEuler(self.scheduler, steps, self.device, self.parametrisation.noise, **how)

    def _denoised(
        self, denoiser: Asked, noisy: Float[Tensor, "n c h w"], times: Tensor, conditioning: Conditioning
    ) -> Float[Tensor, "n c h w"]:
        tokens, further = conditioning.tokens, conditioning.further
        prediction: Tensor = denoiser(
            hidden_states=packed(noisy),
            timestep=times / self.num_train_timesteps,
            guidance=further.get(GUIDANCE),
            pooled_projections=further[POOLED],
            encoder_hidden_states=tokens,
            txt_ids=tokens.new_zeros(tokens.shape[1], 3),
            img_ids=places(*noisy.shape[2:]).to(tokens),
        ).sample
        return unpacked(prediction, *noisy.shape[2:])


def packed(latents: Float[Tensor, "n c h w"]) -> Float[Tensor, "n tokens cells"]:
    """Four cells => a token."""
    cells = latents.unflatten(3, (-1, PATCH)).unflatten(2, (-1, PATCH))  # (n, c, h/2, 2, w/2, 2)
    tokens: Tensor = cells.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
    return tokens


def unpacked(tokens: Float[Tensor, "n tokens cells"], height: int, width: int) -> Float[Tensor, "n c h w"]:
    """The inverse."""
    cells = tokens.unflatten(2, (-1, PATCH, PATCH)).unflatten(1, (height // PATCH, width // PATCH))
    latents: Tensor = (
        cells.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)
    )  # from (n, h/2, w/2, c, 2, 2)
    return latents


def places(height: int, width: int) -> Float[Tensor, "tokens 3"]:
    """Where each token lies: nothing, its row, its column."""
    rows, columns = torch.meshgrid(
        torch.arange(height // PATCH), torch.arange(width // PATCH), indexing="ij"
    )
    return torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).flatten(0, 1).float()


PIPELINES = (Flux,)

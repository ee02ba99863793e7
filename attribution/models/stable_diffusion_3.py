"""Stable Diffusion 3 (Esser et al. 2024, arXiv 2403.03206): captions attend with latents in a transformer.

It is trained by rectified flow. Two CLIPs and a T5 make the caption's tokens, the CLIPs' embeddings of the
whole caption are told beside the time. There are no keys and values of the caption alone: what stands for
them are those of the caption's stream, `add_k_proj` and `add_v_proj` (`joint-attention-context-kv`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from attribution.models.batch import Conditioning
from attribution.models.caption_tokens import token_ids
from attribution.models.denoiser_model import Asked
from attribution.models.families import INDEX, Layout, Read
from attribution.models.latent_model import LatentModel
from attribution.models.layers import JOINT_ATTENTION_CONTEXT_KV
from attribution.models.pipeline_checks import (
    check_class,
    check_flow_scheduler,
    check_latents,
    check_parts,
)
from attribution.models.sampler import FlowEuler, Sampler, flow_shift

T5_TOKENS = 256  # of a caption, as the diffusers library reads it
POOLED = "pooled_projections"  # by the name that the transformer has for it


def check(source: str | Path, read: Read) -> None:
    """Refuse what cannot be asked of Stable Diffusion 3.

    Raises:
        ModelError: says what it is.
    """
    index, layout = read(INDEX), StableDiffusion3.layout
    check_parts(source, index, [part for part in layout.parts if part not in layout.optional])
    check_class(source, index, "transformer", ("SD3Transformer2DModel",))
    check_latents(source, "transformer", read("transformer"), read("vae"))
    check_flow_scheduler(source, read("scheduler"))


class StableDiffusion3(LatentModel):
    """A Stable Diffusion 3 or 3.5 pipeline, with its T5 or without."""

    layout = Layout(
        "Stable Diffusion 3",
        ("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline", "StableDiffusion3InpaintPipeline"),
        "transformer",
        ("transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3"),
        ("tokenizer", "tokenizer_2", "tokenizer_3", "scheduler"),
        check,
        optional=("text_encoder_3", "tokenizer_3"),
        layers=JOINT_ATTENTION_CONTEXT_KV,
    )

    def _hold(self, pipeline: Any, folder: Path) -> None:
        super()._hold(pipeline, folder)
        clips = [self._part(each) for each in (pipeline.text_encoder, pipeline.text_encoder_2)]
        self._clips = list(zip((pipeline.tokenizer, pipeline.tokenizer_2), clips, strict=True))
        self._t5_tokenizer = pipeline.tokenizer_3
        t5 = pipeline.text_encoder_3
        self._t5 = None if t5 is None else self._part(t5)
        self.tokenizer = pipeline.tokenizer if t5 is None else pipeline.tokenizer_3  # which reads the most
        self.caption_tokens = pipeline.tokenizer.model_max_length if t5 is None else T5_TOKENS
        self._width = int(pipeline.transformer.config.joint_attention_dim)
        self._cells = int(pipeline.transformer.config.patch_size) ** 2  # of a latent, in a token

    @torch.no_grad()
    def encode_captions(self, captions: Sequence[str]) -> Conditioning:
        length = self._clips[0][0].model_max_length
        read = [
            encoder(token_ids(tokenizer, captions, length).to(self.device), output_hidden_states=True)
            for tokenizer, encoder in self._clips
        ]
        clip = torch.cat([each.hidden_states[-2] for each in read], dim=-1)
        clip = functional.pad(clip, (0, self._width - clip.shape[-1]))
        pooled = torch.cat([each.text_embeds for each in read], dim=-1)
        return Conditioning(torch.cat([clip, self._t5_tokens(captions, clip)], dim=1), {POOLED: pooled})

    def _t5_tokens(self, captions: Sequence[str], like: Tensor) -> Float[Tensor, "n tokens d"]:
        """Zeros where the pipeline was saved without its T5, as the library puts there."""
        if self._t5 is None:
            return like.new_zeros(len(captions), T5_TOKENS, self._width)
        found: Tensor = self._t5(token_ids(self._t5_tokenizer, captions, T5_TOKENS).to(self.device))[0]
        return found

    def _sampler(self, steps: int) -> Sampler:
        _, height, width = self.latent_shape
        tokens = height * width // self._cells
        dynamic = self.scheduler.config.use_dynamic_shifting
        how = {"mu": flow_shift(self.scheduler, tokens)} if dynamic else {}
        return FlowEuler(self.scheduler, steps, self.device, self.parametrisation.noise, **how)

    def _denoised(
        self, denoiser: Asked, noisy: Float[Tensor, "n c h w"], times: Tensor, conditioning: Conditioning
    ) -> Float[Tensor, "n c h w"]:
        prediction: Tensor = denoiser(
            hidden_states=noisy,
            timestep=times,
            encoder_hidden_states=conditioning.tokens,
            pooled_projections=conditioning.further[POOLED],
        ).sample
        return prediction


PIPELINES = (StableDiffusion3,)

"""Tiny pipelines with random weights of each family, beside the foreign world's Stable Diffusion.

Every size differs from every other, so that no two can be taken for each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
)

from tests.worlds.foreign import RESOLUTION, TOKENS, make_tokenizer

CHANNELS = 3  # of a latent
SIDE = RESOLUTION // 2  # cells of a side of a latent


def make_autoencoder(**changed: Any) -> AutoencoderKL:
    """Halves pictures."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(4, 8),
        norm_num_groups=2,
        latent_channels=CHANNELS,
        sample_size=RESOLUTION,
        **{"scaling_factor": 6.0, **changed},
    )


def text_config(width: int, projection: int, layers: int = 2) -> CLIPTextConfig:
    tokenizer = make_tokenizer()
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=16,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        projection_dim=projection,
    )


def loudened(denoiser: nn.Module, endings: tuple[str, ...], by: float = 5) -> nn.Module:
    """The same with some weights larger: untrained attention has no say, and there is little to unlearn."""
    with torch.no_grad():
        for name, parameter in denoiser.named_parameters():
            if name.endswith(endings):
                parameter.mul_(by)
    return denoiser


def make_sdxl(folder: Path, seed: int = 0, zeros: bool = True) -> Path:
    """Save a tiny Stable Diffusion XL.

    Args:
        zeros: whether it is told zeros in place of an empty prompt.
    """
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=SIDE,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        layers_per_block=1,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        cross_attention_dim=12 + 20,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=10 + 6 * 4,
        norm_num_groups=4,
    )
    pipeline = StableDiffusionXLPipeline(
        vae=make_autoencoder(),
        text_encoder=CLIPTextModel(text_config(12, 14)),
        text_encoder_2=CLIPTextModelWithProjection(text_config(20, 10)),
        tokenizer=make_tokenizer(),
        tokenizer_2=make_tokenizer(),
        unet=loudened(unet, ("attn2.to_out.0.weight", "proj_out.weight", "conv_out.weight")),
        scheduler=DDPMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            steps_offset=1,
        ),
        force_zeros_for_empty_prompt=zeros,
    )
    pipeline.save_pretrained(folder)
    return folder

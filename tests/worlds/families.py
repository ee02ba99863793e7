"""Tiny pipelines with random weights of each family, beside the foreign world's Stable Diffusion.

Every size differs from every other, so that no two can be taken for each other.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDPMPipeline,
    DDPMScheduler,
    DiTPipeline,
    DiTTransformer2DModel,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    PixArtAlphaPipeline,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
    UNet2DModel,
)
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
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


def make_t5_tokenizer() -> T5Tokenizer:
    """One token a letter, one for a space, and the end."""
    special = [(token, 0.0) for token in ("<pad>", "</s>", "<unk>")]
    letters = [("▁", -2.0), *((letter, -3.0) for letter in "abcdefghijklmnopqrstuvwxyz")]
    return T5Tokenizer(vocab=[*special, *letters], extra_ids=0, model_max_length=TOKENS)


def make_t5(width: int) -> T5EncoderModel:
    config = T5Config(
        vocab_size=len(make_t5_tokenizer()),
        d_model=width,
        d_kv=4,
        d_ff=8,
        num_layers=1,
        num_heads=2,
        feed_forward_proj="gated-gelu",
    )
    return T5EncoderModel(config)


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


def make_dit(folder: Path, seed: int = 0) -> Path:
    """Save a tiny DiT that predicts its variance, of as many classes as the library counts on."""
    torch.manual_seed(seed)
    transformer = DiTTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=4,
        in_channels=CHANNELS,
        out_channels=2 * CHANNELS,
        num_layers=2,
        sample_size=SIDE,
        patch_size=2,
        num_embeds_ada_norm=1000,
    )
    DiTPipeline(transformer, make_autoencoder(), DDPMScheduler(clip_sample=False)).save_pretrained(folder)
    index = folder / "model_index.json"
    told = json.loads(index.read_text(encoding="utf-8"))
    names = {"0": "tench, Tinca tinca", "3": "tiger shark, Galeocerdo cuvieri"}
    index.write_text(json.dumps(told | {"id2label": names}), encoding="utf-8")
    return folder


def make_ddpm(folder: Path, seed: int = 0, classes: int | None = None) -> Path:
    """Save a tiny DDPM over pixels, of classes or of none."""
    torch.manual_seed(seed)
    unet = UNet2DModel(
        sample_size=SIDE,
        layers_per_block=1,
        block_out_channels=(4, 8),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        norm_num_groups=2,
        num_class_embeds=classes,
    )
    DDPMPipeline(loudened(unet, ("to_out.0.weight", "conv_out.weight")), DDPMScheduler()).save_pretrained(
        folder
    )
    return folder


def make_labelled_ddpm(folder: Path, seed: int = 0) -> Path:
    """Save a tiny DDPM of five classes."""
    return make_ddpm(folder, seed, classes=5)


def make_pixart(folder: Path, seed: int = 0, sigma: bool = False, sized: bool = False) -> Path:
    """Save a tiny PixArt that predicts its variance; alpha, or sigma.

    Args:
        sized: whether it is told of what size a picture is, as the large alpha is.
    """
    torch.manual_seed(seed)
    transformer = PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=6,
        in_channels=CHANNELS,
        out_channels=2 * CHANNELS,
        num_layers=2,
        cross_attention_dim=12,
        sample_size=SIDE,
        patch_size=2,
        caption_channels=10,
        use_additional_conditions=sized,
    )
    pipeline = (PixArtSigmaPipeline if sigma else PixArtAlphaPipeline)(
        tokenizer=make_t5_tokenizer(),
        text_encoder=make_t5(10),
        vae=make_autoencoder(),
        transformer=loudened(transformer, ("attn2.to_out.0.weight", "proj_out.weight")),
        scheduler=DDPMScheduler(clip_sample=False),
    )
    pipeline.save_pretrained(folder)
    return folder


def make_sd3(folder: Path, seed: int = 0, t5: bool = True, dynamic: bool = False) -> Path:
    """Save a tiny Stable Diffusion 3.

    Args:
        t5: whether it keeps its third text encoder.
        dynamic: whether its schedule is shifted by the size of a picture.
    """
    torch.manual_seed(seed)
    transformer = SD3Transformer2DModel(
        sample_size=SIDE,
        patch_size=2,
        in_channels=CHANNELS,
        out_channels=CHANNELS,
        num_layers=2,
        attention_head_dim=4,
        num_attention_heads=2,
        joint_attention_dim=36,
        caption_projection_dim=8,
        pooled_projection_dim=10 + 14,
        pos_embed_max_size=SIDE,
    )
    pipeline = StableDiffusion3Pipeline(
        transformer=loudened(transformer, ("attn.to_out.0.weight", "proj_out.weight")),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=dynamic),
        vae=make_autoencoder(shift_factor=0.1),
        text_encoder=CLIPTextModelWithProjection(text_config(12, 10)),
        tokenizer=make_tokenizer(),
        text_encoder_2=CLIPTextModelWithProjection(text_config(20, 14)),
        tokenizer_2=make_tokenizer(),
        text_encoder_3=make_t5(36) if t5 else None,
        tokenizer_3=make_t5_tokenizer() if t5 else None,
    )
    pipeline.save_pretrained(folder)
    return folder


def make_flux(folder: Path, seed: int = 0, guidance: bool = True) -> Path:
    """Save a tiny Flux, distilled with guidance (dev) or without (schnell)."""
    torch.manual_seed(seed)
    transformer = FluxTransformer2DModel(
        in_channels=4 * CHANNELS,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=12,
        pooled_projection_dim=20,
        guidance_embeds=guidance,
        axes_dims_rope=(2, 2, 4),
    )
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(
            shift=1.0 if not guidance else 3.0, use_dynamic_shifting=guidance
        ),
        vae=make_autoencoder(shift_factor=0.1),
        text_encoder=CLIPTextModel(text_config(20, 14)),
        tokenizer=make_tokenizer(),
        text_encoder_2=make_t5(12),
        tokenizer_2=make_t5_tokenizer(),
        transformer=loudened(transformer, ("attn.to_out.0.weight", "proj_out.weight")),
    )
    pipeline.save_pretrained(folder)
    return folder

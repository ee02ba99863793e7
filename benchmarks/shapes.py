"""Models of a given shape and random weights, as pipeline folders, and training images to go with them.

For timing alone: what a draw costs depends on the shape and not on what was learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from attribution.models.batch import Conditioning
from attribution.rng import gaussian
from demo.tokenizer import build_tokenizer


@dataclass(frozen=True)
class Shape:
    """Of a text-to-image model and of the set that it was trained on.

    Attributes:
        channels: of the U-Net's levels; all but the last have cross-attention, as Stable Diffusion's do.
        layers: residual blocks a level.
        heads: of attention.
        latent: channels and side.
        width, tokens: of a caption's embeddings.
        images, flips, captions, timesteps: how often the exhaustive scan measures.
    """

    channels: tuple[int, ...] = (128, 256, 256, 256)
    layers: int = 2
    heads: int = 8
    latent: tuple[int, int] = (4, 16)
    width: int = 1024
    tokens: int = 77
    images: int = 118_287
    flips: int = 2
    captions: int = 5
    timesteps: int = 20

    @property
    def draws_each(self) -> int:
        """Forward passes of one training image in the exhaustive scan, one noise each."""
        return self.flips * self.captions * self.timesteps


MSCOCO = Shape()  # the AbU paper's; blocks and heads, which it leaves open, are Stable Diffusion's


def write_pipeline(shape: Shape, folder: Path, seed: int = 0) -> Path:
    """A pipeline of that shape with random weights; made once."""
    if (folder / "model_index.json").is_file():
        return folder
    torch.manual_seed(seed)
    unet = _unet(shape)
    tokenizer = build_tokenizer()
    tokenizer.model_max_length = shape.tokens
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderTiny(
            latent_channels=shape.latent[0],
            encoder_block_out_channels=(8,) * 4,
            decoder_block_out_channels=(8,) * 4,
            num_encoder_blocks=(1,) * 4,
            num_decoder_blocks=(1,) * 4,
        ),
        text_encoder=CLIPTextModel(_text_config(shape, tokenizer)),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDPMScheduler(clip_sample=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


def _unet(shape: Shape) -> UNet2DConditionModel:
    lower = len(shape.channels) - 1
    channels, side = shape.latent
    unet = UNet2DConditionModel(
        sample_size=side,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=shape.layers,
        block_out_channels=shape.channels,
        down_block_types=(*["CrossAttnDownBlock2D"] * lower, "DownBlock2D"),
        up_block_types=("UpBlock2D", *["CrossAttnUpBlock2D"] * lower),
        cross_attention_dim=shape.width,
        attention_head_dim=shape.heads,  # diffusers reads this as the number of heads
    )
    with torch.no_grad():
        for name, parameter in unet.named_parameters():
            if name.endswith("proj_out.weight"):
                parameter.mul_(5)  # untrained attention has next to no say, and no step is large enough
    return unet


def _text_config(shape: Shape, tokenizer: CLIPTokenizer) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.width,
        intermediate_size=shape.width,
        num_hidden_layers=1,  # captions are given as embeddings: it is not timed
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.tokens,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


@dataclass(frozen=True)
class Images:
    """Training images by their tensors: one row a picture, flip and caption."""

    ids: tuple[str, ...]
    latents: Float[Tensor, "n c h w"]
    captions: Conditioning


def random_images(shape: Shape, images: int, device: str = "cpu", variants: int | None = None) -> Images:
    """`images` random pictures with each of their variants (flips times captions) after each other."""
    variants = shape.flips * shape.captions if variants is None else variants
    names = [f"image-{i}" for i in range(images)]
    latents = _stacked(names, (shape.latent[0], shape.latent[1], shape.latent[1]), "latent")
    ids = tuple(f"{name}/{variant}" for name in names for variant in range(variants))
    captions = _stacked(ids, (shape.tokens, shape.width), "caption")
    return Images(ids, latents.repeat_interleave(variants, dim=0), Conditioning(captions.to(device)))


def _stacked(names: Sequence[str], shape: Sequence[int], purpose: str) -> Float[Tensor, "n ..."]:
    return torch.stack([gaussian(0, purpose, name, 0, shape) for name in names])

"""What models of public shapes need in bytes, reckoned from their configurations on the meta device.

    python -m benchmarks.model_needs      write the table of docs/MODELS.md anew

Nothing is loaded or downloaded: modules are made without storage and their numbers counted. All are held in
single precision, as they are opened here. What a pass needs beside the weights is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    UNet2DConditionModel,
)
from torch import nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from attribution.models.layers import CROSS_ATTENTION_KV, JOINT_ATTENTION_CONTEXT_KV, selected, selector
from evaluation.markdown import table

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "MODELS.md"
BEGIN, END = "<!-- begin model needs -->\n", "<!-- end model needs -->\n"
HEADER = (
    "", "denoiser", "text encoders", "autoencoder", "unlearned", "of them",
    "Fisher", "K-FAC bases", "latent of an image", "caption",
)  # fmt: skip
CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
CLIP_G = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
}
T5_XXL = {
    "d_model": 4096, "d_ff": 10240, "d_kv": 64, "num_heads": 64, "num_layers": 24,
    "feed_forward_proj": "gated-gelu",
}  # fmt: skip
BLOCKS = ("DownEncoderBlock2D",) * 4
DECODERS = ("UpDecoderBlock2D",) * 4
UNET_XL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
SD3 = {
    "num_layers": 24, "num_attention_heads": 24, "attention_head_dim": 64, "caption_projection_dim": 1536,
    "pos_embed_max_size": 192,
}  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """A public model's shape.

    Attributes:
        latent: channels, height and width.
        caption: numbers that one is told as.
    """

    name: str
    denoiser: Callable[[], nn.Module]
    encoders: Sequence[Callable[[], nn.Module]]
    layers: str
    latent: tuple[int, int, int]
    caption: int


def clip(sizes: dict[str, int]) -> nn.Module:
    return CLIPTextModel(CLIPTextConfig(**sizes))  # type: ignore[no-any-return]


def pooling_clip(sizes: dict[str, int]) -> nn.Module:
    config = CLIPTextConfig(**sizes, projection_dim=sizes["hidden_size"])
    return CLIPTextModelWithProjection(config)  # type: ignore[no-any-return]


def _t5() -> nn.Module:
    return T5EncoderModel(T5Config(vocab_size=32128, **T5_XXL))  # type: ignore[no-any-return]


def autoencoder(channels: int) -> AutoencoderKL:
    """The autoencoder that all of them have, but for the channels of a latent."""
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=channels,
        down_block_types=BLOCKS,
        up_block_types=DECODERS,
    )


SHAPES = (
    Shape(
        "SD 1.5", lambda: UNet2DConditionModel(sample_size=64, cross_attention_dim=768),
        [lambda: clip(CLIP_L)],
        CROSS_ATTENTION_KV, (4, 64, 64), 77 * 768,
    ),
    Shape(
        "SDXL", lambda: UNet2DConditionModel(**UNET_XL),
        [lambda: clip(CLIP_L), lambda: pooling_clip(CLIP_G)],
        CROSS_ATTENTION_KV, (4, 128, 128), 77 * 2048 + 1280 + 6,
    ),
    Shape(
        "SD3 medium", lambda: SD3Transformer2DModel(**SD3),
        [lambda: pooling_clip(CLIP_L), lambda: pooling_clip(CLIP_G), _t5], JOINT_ATTENTION_CONTEXT_KV,
        (16, 128, 128), (77 + 256) * 4096 + 2048,
    ),
    Shape(
        "Flux dev", lambda: FluxTransformer2DModel(guidance_embeds=True), [lambda: clip(CLIP_L), _t5],
        JOINT_ATTENTION_CONTEXT_KV, (16, 128, 128), 512 * 4096 + 768 + 1,
    ),
)  # fmt: skip


def needs(shape: Shape) -> tuple[str, ...]:
    """A row of the table."""
    with torch.device("meta"):
        denoiser = shape.denoiser()
        encoders = [make() for make in shape.encoders]
        vae = autoencoder(shape.latent[0])
    weights = [layer.weight.shape for layer in selected(denoiser, shape.layers, shape.name).values()]
    of_layers = sum(out * given for out, given in weights)
    inputs = [given for _, given in weights]
    inputs = inputs[:1] if selector(shape.layers).reads_captions else inputs  # one basis serves all
    bases = sum(out**2 for out, _ in weights) + sum(given**2 for given in inputs)
    channels, height, width = shape.latent
    numbers = [_count(denoiser), sum(map(_count, encoders)), _count(vae), of_layers, of_layers, bases]
    sizes = [size(4 * number) for number in (*numbers, channels * height * width, shape.caption)]
    return shape.name, *sizes[:4], f"{len(weights)} matrices", *sizes[4:]


def _count(module: Any) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def size(count: int) -> str:
    """Bytes in the unit that a person would use."""
    for unit, name in ((2**30, "GiB"), (2**20, "MiB")):
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count / 2**10:,.0f} KiB"


def written(document: str) -> str:
    """A document with its table written anew."""
    before, rest = document.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + table(HEADER, [needs(shape) for shape in SHAPES]) + END + after


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")

"""Models of public shapes with random weights: what a pass costs depends on the shape.

    python -m benchmarks.random_models "SD 1.5" --side 512 --out FOLDER     one as a pipeline's folder

The shapes are those of `benchmarks.model_needs`; the miniatures beside them are for tests.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDPMScheduler,
    DiffusionPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from torch import nn
from transformers import CLIPTokenizer

from attribution.models.autoencoder import downscaling
from attribution.models.denoiser_model import DenoiserModel
from attribution.models.precision import Precision
from attribution.models.stable_diffusion import PipelineModel
from attribution.models.stable_diffusion_xl import StableDiffusionXL
from benchmarks.model_needs import SHAPES, autoencoder, clip, pooling_clip
from demo.tokenizer import build_tokenizer

TOKENS = 77  # of a caption
# Untrained attention has next to no say, and no step is large enough to unlearn anything.
LOUDER = ("attn2.to_out.0.weight", "proj_out.weight", "conv_out.weight")
SMALL = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
TINY_UNET: dict[str, Any] = {
    "sample_size": 8,
    "block_out_channels": (32, 64),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
}
TINY_UNET_XL: dict[str, Any] = TINY_UNET | {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": SMALL["hidden_size"] + 6 * 8,
}


@dataclass(frozen=True)
class RandomModel:
    """What a model of a public shape is made of.

    Attributes:
        name: of the shape.
        open: a pipeline as a model of its family.
        parts: makers of its modules, by their names in a pipeline.
    """

    name: str
    open: Callable[..., DenoiserModel]
    parts: Mapping[str, Callable[[], nn.Module]]

    def opened(self, device: str, precision: Precision) -> DenoiserModel:
        """Made on the device, where random numbers are quick."""
        torch.manual_seed(0)
        with torch.device(device):
            modules = self._modules()
        tokenizer = _tokenizer()
        pipeline = SimpleNamespace(
            **modules,
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            scheduler=_scheduler(),
            config=SimpleNamespace(force_zeros_for_empty_prompt=True),
        )
        return self.open(pipeline, device, precision=precision)

    def written(self, side: int, folder: Path) -> Path:
        """A folder of it for pictures of that side in pixels; in bf16, in which it is made too."""
        torch.manual_seed(0)
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.bfloat16)
        try:
            modules = self._modules()
        finally:
            torch.set_default_dtype(before)
        unet, vae = modules["unet"], modules["vae"]
        vae.register_to_config(sample_size=side)
        unet.register_to_config(sample_size=side // downscaling(vae))
        with torch.no_grad():
            for name, parameter in unet.named_parameters():
                if name.endswith(LOUDER):
                    parameter.mul_(5)
        _save(modules, folder)
        return folder

    def _modules(self) -> dict[str, Any]:
        return {name: make() for name, make in self.parts.items()}


def _tokenizer() -> CLIPTokenizer:
    tokenizer = build_tokenizer()
    tokenizer.model_max_length = TOKENS
    return tokenizer


def _scheduler() -> DDPMScheduler:
    """As both were trained."""
    return DDPMScheduler(
        beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False
    )


def _save(modules: Mapping[str, Any], folder: Path) -> None:
    """As a pipeline of the library: of the larger model where there is a second text encoder."""
    tokenizer, scheduler = _tokenizer(), _scheduler()
    if "text_encoder_2" in modules:
        pipeline: DiffusionPipeline = StableDiffusionXLPipeline(
            **modules, tokenizer=tokenizer, tokenizer_2=tokenizer, scheduler=scheduler
        )
    else:
        pipeline = StableDiffusionPipeline(
            **modules,
            tokenizer=tokenizer,
            scheduler=scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.save_pretrained(folder)


def _small_autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
    )


def true_shapes() -> tuple[RandomModel, ...]:
    """Stable Diffusion 1.5 and XL, as large as they are."""
    families = {"SD 1.5": PipelineModel.of_pipeline, "SDXL": StableDiffusionXL.of_pipeline}
    return tuple(
        RandomModel(
            shape.name,
            families[shape.name],
            {
                "unet": shape.denoiser,
                "vae": partial(autoencoder, shape.latent[0]),
                **dict(zip(("text_encoder", "text_encoder_2"), shape.encoders, strict=False)),
            },
        )
        for shape in SHAPES
        if shape.name in families
    )


def miniatures() -> tuple[RandomModel, ...]:
    """The same two with a few thousand weights."""
    of_one: dict[str, Callable[[], nn.Module]] = {
        "vae": _small_autoencoder,
        "text_encoder": partial(clip, SMALL),
    }
    return (
        RandomModel(
            "SD 1.5 in miniature",
            PipelineModel.of_pipeline,
            {"unet": lambda: UNet2DConditionModel(**TINY_UNET, cross_attention_dim=16), **of_one},
        ),
        RandomModel(
            "SDXL in miniature",
            StableDiffusionXL.of_pipeline,
            {
                "unet": lambda: UNet2DConditionModel(**TINY_UNET_XL, cross_attention_dim=32),
                **of_one,
                "text_encoder_2": partial(pooling_clip, SMALL),
            },
        ),
    )


def main() -> None:
    """Write one of them."""
    by_name = {each.name: each for each in (*true_shapes(), *miniatures())}
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("name", choices=by_name)
    parser.add_argument("--side", type=int, required=True, metavar="PIXELS")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    options = parser.parse_args()
    print(by_name[options.name].written(options.side, options.out))


if __name__ == "__main__":
    main()

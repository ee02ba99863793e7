"""DDPM (Ho et al. 2020): a U-Net over pixels that is told nothing, or a class. D-TRAK is measured on such.

Its "latent" is the picture itself, from -1 to 1. An unconditional model is asked with a picture; captions
say nothing to it. There is no guidance: the U-Net knows no class that stands for none. What is unlearned in
is every linear layer: those of self-attention and of the time's embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from attribution.errors import ModelError
from attribution.models.autoencoder import pixels_of, shown
from attribution.models.base import Generation
from attribution.models.batch import Conditioning
from attribution.models.class_labels import KEY, LABELS, Classes
from attribution.models.denoiser_model import Asked, DenoiserModel
from attribution.models.families import INDEX, Config, Layout, Read
from attribution.models.layers import ALL_LINEAR
from attribution.models.pipeline_checks import (
    PICTURE,
    check_class,
    check_parts,
    check_scheduler,
    in_folder,
    side_of,
)

COLOURS = 3  # channels of a picture


def check(source: str | Path, read: Read) -> None:
    """Refuse what cannot be asked of a DDPM.

    Raises:
        ModelError: says what it is.
    """
    index, unet = read(INDEX), read("unet")
    check_parts(source, index, DDPM.layout.parts)
    check_class(source, index, "unet", ("UNet2DModel",))
    taken, made = int(unet.get("in_channels", 3)), int(unet.get("out_channels", 3))
    if taken != COLOURS or made not in (COLOURS, 2 * COLOURS):  # with its variance or without
        raise ModelError(
            f"the U-Net of {source} takes {taken} channels and makes {made}: only pictures in colour, of "
            f"{COLOURS}, can be asked about; give a model that was trained on them"
        )
    if unet.get("class_embed_type") is not None:
        raise ModelError(
            f"the U-Net of {source} is told {unet['class_embed_type']!r} embeddings in place of a class: "
            "give a model with num_class_embeds, or an unconditional one"
        )
    if unet.get("time_embedding_type", "positional") != "positional":
        raise ModelError(
            f"the U-Net of {source} is told the time as {unet['time_embedding_type']!r}, as score-based "
            "models on continuous noise levels are: give a DDPM, which is told a place in a schedule"
        )
    if unet.get("num_class_embeds") is not None:
        Classes(int(unet["num_class_embeds"]), index, source)
    side_of(unet, source, unit=PICTURE)
    check_scheduler(source, read("scheduler"))


class DDPM(DenoiserModel):
    """An unconditional or class-conditional pipeline over pixels."""

    layout = Layout(
        "unconditional and class-conditional DDPM",
        ("DDPMPipeline", "DDIMPipeline"),
        "unet",
        ("unet",),
        ("scheduler",),
        check,
        keys=(KEY,),
        layers=ALL_LINEAR,
    )
    takes_negative_prompt = False

    def _hold(self, pipeline: Any, folder: Path) -> None:
        config: Config = pipeline.unet.config
        self.resolution = side_of(config, folder, unit=PICTURE)
        self.latent_shape = (COLOURS, self.resolution, self.resolution)
        count = config["num_class_embeds"]
        self._classes = None if count is None else Classes(int(count), in_folder(folder)(INDEX), folder)

    def encode_images(self, images: Sequence[Image.Image]) -> Float[Tensor, "n c h w"]:
        return pixels_of(images).to(self.device)

    def encode_captions(self, captions: Sequence[str]) -> Conditioning:
        if self._classes is None:
            return Conditioning(torch.zeros(len(captions), 0, 1, device=self.device))
        return self._classes.conditioning(captions).to(self.device)

    def check_captions(self, captions: Sequence[str]) -> None:
        if self._classes is not None:
            self._classes.check(captions)

    def _guiding(self, generations: Sequence[Generation]) -> Conditioning:
        return self.encode_captions([each.prompt for each in generations])

    def _denoised(
        self, denoiser: Asked, noisy: Float[Tensor, "n c h w"], times: Tensor, conditioning: Conditioning
    ) -> Float[Tensor, "n c h w"]:
        prediction: Tensor = denoiser(noisy, times, class_labels=conditioning.further.get(LABELS)).sample
        return prediction[:, :COLOURS]  # what is beyond is the variance

    def _decoded(self, latents: Float[Tensor, "1 c h w"]) -> Image.Image:
        return shown(latents[0])


PIPELINES = (DDPM,)

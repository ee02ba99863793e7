"""What models have in common whose denoiser works on the latents of an autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxtyping import Float
from PIL import Image
from torch import Tensor

from attribution.models.autoencoder import downscaling, latents_of, picture_of
from attribution.models.caption_tokens import beyond
from attribution.models.denoiser_model import DenoiserModel
from attribution.models.pipeline_checks import side_of


class LatentModel(DenoiserModel):
    """A pipeline with an autoencoder, `vae`.

    Attributes:
        tokenizer: that of captions, which reads the most if there are several; None without captions.
        caption_tokens: how many tokens of a caption are read; None for what the tokenizer says.
    """

    tokenizer: Any = None
    caption_tokens: int | None = None

    def _hold(self, pipeline: Any, folder: Path) -> None:
        self.vae = self._part(pipeline.vae)
        side = self._latent_side(pipeline, folder)
        self.latent_shape = (int(self.vae.config.latent_channels), side, side)
        self.resolution = side * downscaling(self.vae)

    def _latent_side(self, pipeline: Any, folder: Path) -> int:
        part = self.layout.denoiser
        return side_of(getattr(pipeline, part).config, folder, part)

    def encode_images(self, images: Sequence[Image.Image]) -> Float[Tensor, "n c h w"]:
        return latents_of(self.vae, images, self.resolution, self.device)

    def unread(self, caption: str) -> str:
        """What of a caption lies beyond the tokens that the text encoder gets; "" where it reads all."""
        return "" if self.tokenizer is None else beyond(self.tokenizer, caption, self.caption_tokens)

    def _decoded(self, latents: Float[Tensor, "1 c h w"]) -> Image.Image:
        return picture_of(self.vae, latents)

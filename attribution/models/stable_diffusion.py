"""Stable Diffusion 1 and 2: a U-Net that attends to one CLIP's tokens. And the reader of all pipelines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from jaxtyping import Float
from torch import Tensor

from attribution.errors import ModelError
from attribution.models.adapters import Adapter
from attribution.models.base import DiffusionModel
from attribution.models.batch import Conditioning
from attribution.models.caption_tokens import token_ids
from attribution.models.denoiser_model import Asked
from attribution.models.families import Layout, family_of
from attribution.models.latent_model import LatentModel
from attribution.models.pipeline_checks import check_stable_diffusion, in_folder
from attribution.models.pipeline_files import downloaded
from attribution.models.precision import SINGLE, Precision


class PipelineModel(LatentModel):
    """A Stable Diffusion pipeline."""

    layout = Layout(
        "Stable Diffusion 1 and 2",
        (
            # Classes whose files are the same; they differ in how pictures are made.
            "StableDiffusionPipeline",
            "StableDiffusionImg2ImgPipeline",
            "StableDiffusionInpaintPipeline",
            "StableDiffusionPAGPipeline",
        ),
        "unet",
        ("unet", "vae", "text_encoder"),
        ("tokenizer", "scheduler"),
        check_stable_diffusion,
        takes_adapters=True,
    )
    compiles = True

    def _hold(self, pipeline: Any, folder: Path) -> None:
        super()._hold(pipeline, folder)
        self.tokenizer = pipeline.tokenizer
        self.text_encoder = self._part(pipeline.text_encoder)

    @property
    def unet(self) -> UNet2DConditionModel:
        """The denoiser, by its name in such a pipeline."""
        return self.denoiser

    @torch.no_grad()
    def encode_captions(self, captions: Sequence[str]) -> Conditioning:
        ids = token_ids(self.tokenizer, captions)
        embeddings: Tensor = self.text_encoder(ids.to(self.device))[0]
        return Conditioning(embeddings)

    def _denoised(
        self, denoiser: Asked, noisy: Float[Tensor, "n c h w"], times: Tensor, conditioning: Conditioning
    ) -> Float[Tensor, "n c h w"]:
        prediction: Tensor = denoiser(noisy, times, encoder_hidden_states=conditioning.tokens).sample
        return prediction


PIPELINES = (PipelineModel,)


class PipelineReader:
    """Opens pipeline folders and hub ids, of whichever family."""

    def reads(self, name: str | Path) -> bool:
        folder = Path(name)
        if folder.exists():
            return (folder / "model_index.json").is_file()
        return not folder.is_absolute() and str(name).count("/") == 1

    def open(self, name: str | Path, device: str, layers: str | None = None) -> DiffusionModel:
        return self.open_adapted(name, device, (), layers)

    def open_adapted(
        self,
        name: str | Path,
        device: str,
        adapters: Sequence[Adapter],
        layers: str | None = None,
        precision: Precision = SINGLE,
    ) -> DiffusionModel:
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise ModelError("no CUDA device was found: use --device cpu")
        folder = Path(name) if Path(name).exists() else downloaded(str(name))
        family = family_of(folder, in_folder(folder))
        return family(folder, device, layers, adapters, precision)


MODELS = (PipelineReader(),)

"""The one diffusion-aware interface: what attribution needs of a text-to-image model.

Weights are values: `squared_errors` and `loss_and_factors` are given the weights to use and never
change the loaded ones. Only the weights of the layers that a model was opened with are ever replaced
(see `attribution.models.layers`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from attribution.errors import ModelError, SettingsError
from attribution.models.batch import Batch, Conditioning
from attribution.models.layers import CROSS_ATTENTION_KV
from attribution.models.loss_weights import weighted
from attribution.models.parametrisation import Parametrisation
from attribution.plugins import plugins

Weights = Mapping[str, Float[Tensor, "out in"]]


@dataclass(frozen=True)
class GenerationStep:
    """One step of generating a picture.

    Attributes:
        image: the picture; there on the last step.
        preview: what the model takes the clean picture to be so far; there on a few steps, if asked for.
    """

    done: int
    total: int
    image: Image.Image | None = None
    preview: Image.Image | None = None


@dataclass(frozen=True)
class Generation:
    """What a generated picture is a function of (with the model)."""

    prompt: str
    seed: int = 0
    steps: int = 30
    guidance: float = 2.0
    negative_prompt: str = ""

    def __post_init__(self) -> None:
        if not self.prompt.strip():
            raise SettingsError("the prompt is empty: say what the picture should show")
        if not 1 <= self.steps <= 1000:
            raise SettingsError(f"steps is {self.steps}: choose between 1 and 1000")
        if not 0 <= self.guidance <= 50:
            raise SettingsError(f"guidance is {self.guidance}: choose between 0 and 50")


@dataclass(frozen=True)
class Factors:
    """The gradient of each draw's loss, as factors: for one layer it is `outputs[b].T @ inputs[b]`.

    `outputs` is the gradient with respect to what the layer made of each token, `inputs` what it was
    given (the caption's token embeddings, or what lay at each place of the latent).
    """

    outputs: Float[Tensor, "draws tokens out"]
    inputs: Float[Tensor, "draws tokens in"]

    def mean(self) -> Float[Tensor, "out in"]:
        """The gradient of the mean loss over the draws."""
        return torch.einsum("bto,bti->oi", self.outputs, self.inputs) / len(self.outputs)

    def per_draw(self) -> Float[Tensor, "draws out in"]:
        """The gradient of every draw's own loss."""
        return torch.einsum("bto,bti->boi", self.outputs, self.inputs)


@runtime_checkable
class DiffusionModel(Protocol):
    """A text-to-image diffusion model as attribution sees it."""

    fingerprint: str
    resolution: int  # pixels, of a square picture
    latent_shape: tuple[int, int, int]  # channels, height, width
    num_train_timesteps: int
    parametrisation: Parametrisation
    device: torch.device
    layers: str  # the name of the selector of the layers whose weights can be replaced
    weights: Weights  # of these layers as they were loaded, float32

    def encode_images(self, images: Sequence[Image.Image]) -> Float[Tensor, "n c h w"]:
        """Latents of prepared pictures, scaled as the U-Net sees them; no randomness."""
        ...

    def encode_captions(self, captions: Sequence[str]) -> Conditioning:
        """What the denoiser is told of each; captions longer than the tokenizer allows are cut."""
        ...

    def squared_errors(self, weights: Weights, batch: Batch) -> Float[Tensor, "n c h w"]:
        """The unreduced loss of each draw, as the model was trained.

        The batch may lie on any device.
        """
        ...

    def loss_and_factors(
        self, weights: Weights, batch: Batch, mask: Float[Tensor, "h w"] | None = None
    ) -> tuple[Float[Tensor, " n"], dict[str, Factors]]:
        """Each draw's loss (inside the mask) and its gradient with respect to the weights."""
        ...

    def generate(
        self, generation: Generation, weights: Weights | None = None, previews: int = 0
    ) -> Iterator[GenerationStep]:
        """Make a picture; the same `Generation` and weights make the same picture.

        Args:
            weights: to use in place of the loaded ones.
            previews: about how many steps show what is becoming of it; they change nothing.
        """
        ...


def masked_mean(errors: Float[Tensor, "n c h w"], mask: Float[Tensor, "h w"] | None) -> Float[Tensor, " n"]:
    """The loss of each draw: its squared error's mean over the cells inside the mask."""
    if mask is None:
        return errors.mean(dim=(1, 2, 3))
    area = mask.sum() * errors.shape[1]
    return (errors * mask).sum(dim=(1, 2, 3)) / area


def preview_steps(steps: int, previews: int) -> frozenset[int]:
    """After which of 1 ... `steps` - 1 to look: `previews` of them, evenly spread, or all there are."""
    return frozenset(round(k * steps / (previews + 1)) for k in range(1, previews + 1)) & {*range(1, steps)}


def open_model(
    name: str | Path,
    device: str = "cpu",
    layers: str = CROSS_ATTENTION_KV,
    loss_weight: str | None = None,
) -> DiffusionModel:
    """Open a pipeline folder or hub id with the first reader in `attribution.models` that knows it.

    Args:
        layers: the name of a selector; see `attribution.models.layers`.
        loss_weight: of each draw's loss in training, by its name in `attribution.models.loss_weights`;
            None for what the pipeline itself says of it.

    Raises:
        ModelError: no reader knows it, its files cannot be read, or it has no such layers.
        UnknownNameError: there is no selector of that name.
        SettingsError: the loss weight is not known, or its table does not fit.
    """
    for reader in plugins("attribution.models", "MODELS"):
        if reader.reads(name):
            model: DiffusionModel = reader.open(name, device, layers)
            if loss_weight is not None:
                model.parametrisation = weighted(model.parametrisation, loss_weight)
            return model
    raise ModelError(
        f"{name} is not a diffusers pipeline: give a folder with a model_index.json, or a hub id"
    )

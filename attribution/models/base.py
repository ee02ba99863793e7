"""The one diffusion-aware interface: what attribution needs of a text-to-image model.

Weights are values: `squared_errors` and `loss_and_factors` are given the weights to use and never
change the loaded ones. Only the weights of the layers that a model was opened with are ever replaced
(see `attribution.models.layers`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from attribution.errors import ModelError
from attribution.models.adapters import Adapter, named_adapters
from attribution.models.batch import Batch, Conditioning
from attribution.models.loss_weights import weighted
from attribution.models.not_pipelines import not_a_pipeline
from attribution.models.opening import opened
from attribution.models.parametrisation import Parametrisation
from attribution.models.precision import SINGLE, Precision
from attribution.plugins import plugins
from attribution.query import Generation as Generation  # a value of the question, made here

Weights = Mapping[str, Float[Tensor, "out in"]]


@dataclass(frozen=True)
class GenerationStep:
    """One step of generating a picture.

    Attributes:
        image: the picture; there on the last step.
        preview: what the model takes the clean picture to be so far; there on a few steps, if asked for.
        clean: the same as a latent, scaled as the denoiser sees it; there on every step of a model that
            has such steps.
        time: the place in the training schedule that the step was taken from.
    """

    done: int
    total: int
    image: Image.Image | None = None
    preview: Image.Image | None = None
    clean: Float[Tensor, "1 c h w"] | None = field(default=None, compare=False)
    time: int | None = None


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


class Objective(StrEnum):
    """What a gradient over all weights is of: for each draw, a mean over the latent's elements."""

    LOSS = "loss"  # the squared error, as the model was trained (with the weight of its loss)
    SQUARED_OUTPUT = "squared-output"  # the square of what the denoiser predicts
    MEAN_OUTPUT = "mean-output"  # what the denoiser predicts

    def of(
        self,
        prediction: Float[Tensor, "n c h w"],
        errors: Float[Tensor, "n c h w"],
        mask: Float[Tensor, "h w"] | None,
    ) -> Float[Tensor, " n"]:
        """Its value for each draw, inside the mask.

        Args:
            errors: the unreduced loss of each draw.
        """
        elements = {
            Objective.LOSS: errors,
            Objective.SQUARED_OUTPUT: prediction.square(),
            Objective.MEAN_OUTPUT: prediction,
        }[self]
        return masked_mean(elements, mask)


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
    all_shapes: Mapping[str, tuple[int, ...]]  # of all weights of the denoiser, by name

    def encode_images(self, images: Sequence[Image.Image]) -> Float[Tensor, "n c h w"]:
        """Latents of prepared pictures, scaled as the U-Net sees them; no randomness."""
        ...

    def encode_captions(self, captions: Sequence[str]) -> Conditioning:
        """What the denoiser is told of each; captions longer than the tokenizer allows are cut."""
        ...

    def predict(self, weights: Weights, batch: Batch) -> Float[Tensor, "n c h w"]:
        """What the denoiser predicts of each draw, in its own parametrisation; no gradient."""
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

    def whole_gradient(
        self, batch: Batch, objective: Objective, mask: Float[Tensor, "h w"] | None = None
    ) -> tuple[Float[Tensor, " n"], Mapping[str, Float[Tensor, "..."]]]:
        """Each draw's loss (inside the mask), and one gradient of the mean objective over the draws.

        The gradient is with respect to *all* weights of the denoiser as it was loaded, by the names of
        `all_shapes`, whatever layers the model was opened with.
        """
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


@runtime_checkable
class HasCheckpoints(Protocol):
    """A model that can be had with other weights of its denoiser."""

    def at_checkpoint(self, folder: Path) -> DiffusionModel:
        """The same model with the denoiser's weights from a folder, all else shared.

        Raises:
            ModelError: the folder has no such weights.
        """
        ...


@runtime_checkable
class OpensAdapted(Protocol):
    """A reader of models that adapters can be put into."""

    def open_adapted(
        self,
        name: str | Path,
        device: str,
        adapters: Sequence[Adapter],
        layers: str | None = None,
        precision: Precision = SINGLE,
    ) -> DiffusionModel:
        """As `open` does, with adapters, and in this precision.

        Raises:
            ModelError: one was made for another model.
        """
        ...


@runtime_checkable
class ReadsSome(Protocol):
    """A model whose text encoder is given no more than so many tokens of a caption."""

    def unread(self, caption: str) -> str:
        """What of a caption the model never sees, because it lies beyond them; "" where it reads all."""
        ...


@runtime_checkable
class KnowsCaptions(Protocol):
    """A model that can be told some captions only."""

    def check_captions(self, captions: Sequence[str]) -> None:
        """Raises CaptionError for the first that it cannot be told, and says what it can."""
        ...


@runtime_checkable
class MakesSeveral(Protocol):
    """A model that makes several pictures at once, which differ from those made one by one by rounding."""

    def generate_together(self, generations: Sequence[Generation]) -> list[Image.Image]:
        """A picture for each; they must agree in steps and guidance."""
        ...


@runtime_checkable
class HasEngine(Protocol):
    """A model whose passes without gradient may be run by something else than torch."""

    @property
    def engine(self) -> str:
        """What runs them, and its version."""
        ...


def engine_of(model: DiffusionModel) -> str:
    """What measures a model's losses: "torch 2.13.0", or what agrees with it to rounding."""
    return model.engine if isinstance(model, HasEngine) else f"torch {torch.__version__}"


def masked_mean(errors: Float[Tensor, "n c h w"], mask: Float[Tensor, "h w"] | None) -> Float[Tensor, " n"]:
    """The loss of each draw: its squared error's mean over the cells inside the mask."""
    if mask is None:
        return errors.mean(dim=(1, 2, 3))
    area = mask.sum() * errors.shape[1]
    return (errors * mask).sum(dim=(1, 2, 3)) / area


def at_checkpoint(model: DiffusionModel, folder: str | Path) -> DiffusionModel:
    """A model with the denoiser's weights of another checkpoint.

    Raises:
        ModelError: the folder has none, or of another model; or this kind of model has no checkpoints.
    """
    if not isinstance(model, HasCheckpoints):
        raise ModelError(f"{folder} cannot be a checkpoint: {type(model).__name__} reads none")
    found = opened(partial(model.at_checkpoint, Path(folder)), folder)
    if dict(found.all_shapes) != dict(model.all_shapes):
        raise ModelError(f"{folder} is no checkpoint of this model: its weights have other names or shapes")
    return found


def open_model(
    name: str | Path,
    device: str = "cpu",
    layers: str | None = None,
    loss_weight: str | None = None,
    adapters: Sequence[str | Path] = (),
    precision: Precision = SINGLE,
) -> DiffusionModel:
    """Open a pipeline folder or hub id with the first reader in `attribution.models` that knows it.

    Args:
        layers: the name of a selector, see `attribution.models.layers`; None for the model's own default.
        loss_weight: of each draw's loss in training, by its name in `attribution.models.loss_weights`;
            None for what the pipeline itself says of it.
        adapters: files that are put into it, or their folders; see `attribution.models.adapters`.
        precision: that its denoiser computes in.

    Raises:
        ModelError: no reader knows it, its files cannot be read, it has no such layers, an adapter cannot
            be put into it, or it cannot be had in this precision.
        UnknownNameError: there is no selector of that name.
        SettingsError: the loss weight is not known, or its table does not fit.
    """
    for reader in plugins("attribution.models", "MODELS"):
        if reader.reads(name):
            named = named_adapters(adapters)
            model = opened(partial(_adapted, reader, name, device, layers, named, precision), name)
            if loss_weight is not None:
                model.parametrisation = weighted(model.parametrisation, loss_weight)
            return model
    raise ModelError(not_a_pipeline(name))


def _adapted(
    reader: Any,
    name: str | Path,
    device: str,
    layers: str | None,
    adapters: Sequence[Adapter],
    precision: Precision,
) -> DiffusionModel:
    chosen = {} if layers is None else {"layers": layers}
    if isinstance(reader, OpensAdapted):
        return reader.open_adapted(name, device, adapters, precision=precision, **chosen)
    if adapters or precision.is_half:
        what = (
            f"{adapters[0].path} cannot be put into {name}" if adapters else f"{name} is read in fp32 alone"
        )
        raise ModelError(f"{what}: {type(reader).__name__} knows nothing of it")
    model: DiffusionModel = reader.open(name, device, **chosen)
    return model

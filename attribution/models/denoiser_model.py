"""A denoiser of the diffusers library as a `DiffusionModel`: all that is alike in every family.

A family says which parts its pipelines have (`layout`), how pictures and captions are encoded and pictures
decoded, how its denoiser is asked (`_denoised`), and where its sampling differs (`_guiding`, `_sampler`).
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn
from torch.func import functional_call

from attribution.errors import ModelError
from attribution.models.adapters import Adapter, adapted_fingerprint
from attribution.models.base import (
    Factors,
    Objective,
    Weights,
    masked_mean,
)
from attribution.models.batch import Batch, Conditioning
from attribution.models.compiled import Pass
from attribution.models.engines import Denoiser, Engine
from attribution.models.families import Layout
from attribution.models.generating import MakesPictures
from attribution.models.layer_calls import (
    Applied,
    LayerCall,
    Projected,
    draw_factors,
    joined_factors,
    projected,
    projections,
)
from attribution.models.layers import LORA, selected, selector
from attribution.models.loss_weights import recorded_loss_weight, weighted
from attribution.models.memory import GRADIENT, PREDICTION, WHOLE, MemoryBudget, mean_gradient
from attribution.models.offload import HOME, Offloaded, is_denoiser_offloaded, is_offloaded
from attribution.models.parametrisation import parametrisation_of
from attribution.models.pipeline_files import fingerprint_of, load, load_checkpoint
from attribution.models.precision import SINGLE, Precision
from attribution.models.skeletons import Skeletons
from attribution.models.visiting import come_when_called

Asked = Callable[..., Any]  # a denoiser, or what stands for one


class DenoiserModel(MakesPictures):
    """A loaded pipeline. Its tensors are never written to, so threads may share it.

    Args:
        layers: the name of a selector; the family's default without one.
        adapters: are put into it, LoRA beside its weights where these are the layers that are unlearned in.
        precision: that the denoiser computes in.
    """

    layout: ClassVar[Layout]
    compiles: ClassVar[bool] = False  # whether its denoiser is told of nothing but tokens
    resolution: int

    def __init__(
        self,
        folder: Path,
        device: str,
        layers: str | None = None,
        adapters: Sequence[Adapter] = (),
        precision: Precision = SINGLE,
    ):
        chosen = layers or self.layout.layers
        pipeline = load(folder, self.layout, adapters, keep_lora=chosen == LORA)
        self._open(pipeline, folder, torch.device(device), chosen, precision)
        self.fingerprint = adapted_fingerprint(fingerprint_of(folder, self.layout), adapters)
        self._is_adapted = bool(adapters)

    @classmethod
    def of_pipeline(
        cls, pipeline: Any, device: str, layers: str | None = None, precision: Precision = SINGLE
    ) -> DenoiserModel:
        """A pipeline that lies in no folder, such as one of random weights; it has no fingerprint."""
        model = cls.__new__(cls)
        chosen = layers or cls.layout.layers
        model._open(pipeline, Path("a pipeline in memory"), torch.device(device), chosen, precision)
        model.fingerprint, model._is_adapted = "", False
        return model

    def _open(
        self, pipeline: Any, folder: Path, device: torch.device, layers: str, precision: Precision
    ) -> None:
        self.device, self.layers, self.precision = device, layers, precision
        self.scheduler = pipeline.scheduler
        self.num_train_timesteps = int(self.scheduler.config.num_train_timesteps)
        self.parametrisation = weighted(
            parametrisation_of(self.scheduler, self.device, folder), recorded_loss_weight(self.scheduler)
        )
        self._offloads = is_offloaded(device.type)
        self._visits = is_denoiser_offloaded(device.type)
        self._home = HOME if self._visits else self.device  # of the denoiser's weights
        self._hold(pipeline, folder)
        denoiser = getattr(pipeline, self.layout.denoiser)
        self._budget = MemoryBudget(type(denoiser)._supports_gradient_checkpointing)
        self._take(denoiser, folder)

    @abstractmethod
    def _hold(self, pipeline: Any, folder: Path) -> None:
        """Keep what encodes and decodes; set `resolution` and `latent_shape`."""

    def _part(self, module: nn.Module) -> Any:
        """What encodes or decodes, as it is used here: on the device, or there while it is called."""
        if self._offloads:
            return Offloaded(frozen(module, HOME), self.device)
        return frozen(module, self.device)

    @abstractmethod
    def encode_images(self, images: Sequence[Image.Image]) -> Float[Tensor, "n c h w"]: ...

    @abstractmethod
    def _denoised(
        self, denoiser: Asked, noisy: Float[Tensor, "n c h w"], times: Tensor, conditioning: Conditioning
    ) -> Float[Tensor, "n c h w"]:
        """What a denoiser predicts."""

    def _take(self, denoiser: Any, source: Path) -> None:
        """Hold a denoiser, and what is read off its weights."""
        chosen = selected(denoiser, self.layers, source)
        rounded, exact = self.precision.rounded(denoiser, chosen)
        self.denoiser = frozen(rounded, self._home)
        # Convolutions run a tenth to a fifth faster so, on CPU and CUDA alike (benchmarks, `layout`).
        self.denoiser.to(memory_format=torch.channels_last)
        layers = {name: frozen(module, self.device) for name, module in exact.items()}
        self.weights: Weights = {name: layer.weight.detach() for name, layer in layers.items()}
        self._biases = {name: layer.bias for name, layer in layers.items()}
        self._reads_captions = selector(self.layers).reads_captions
        loaded = {name: layer.weight.detach() for name, layer in chosen.items()}
        self._skeletons = Skeletons(self.denoiser, loaded, self._prepared)
        self.all_shapes: Mapping[str, tuple[int, ...]] = {
            name: tuple(weight.shape) for name, weight in self.denoiser.named_parameters()
        }
        self._whole_skeletons = Skeletons(self.denoiser, {}, self._prepared)
        times = torch.arange(self.num_train_timesteps, device=self.device)
        self._engine = Engine(
            Denoiser(
                self.denoiser,
                self._skeletons,
                self.weights,
                self._biases,
                self._reads_captions,
                self.parametrisation.denoiser_times(times),
                self.device,
                self.compiles,
            )
        )

    def _prepared(self, denoiser: nn.Module) -> None:
        """Have a copy of the denoiser's modules run on the device, wherever its weights lie."""
        if self._visits:
            come_when_called(denoiser, self.device, self._budget)

    @property
    def engine(self) -> str:
        """What runs the denoiser where no gradient is wanted, and its version."""
        return self._engine.name

    def at_checkpoint(self, folder: Path) -> DenoiserModel:
        """The same pipeline with another folder's denoiser: a pipeline's, or one that lies there alone.

        Raises:
            ModelError: it has no denoiser that can be read, or adapters were put into the model's own.
        """
        if self._is_adapted:
            raise ModelError(
                f"{folder} cannot be a checkpoint of a model with adapters, which are not put into it: "
                "leave out --checkpoint, or give no --adapter"
            )
        denoiser, fingerprint = load_checkpoint(folder, type(self.denoiser), self.layout.denoiser)
        other = copy.copy(self)
        other._take(denoiser, folder)
        other.fingerprint = fingerprint
        return other

    @torch.no_grad()
    def predict(self, weights: Weights, batch: Batch) -> Float[Tensor, "n c h w"]:
        parts = self._budget.parts(PREDICTION, batch, partial(self._prediction, weights))
        return torch.cat([predicted for _, predicted in parts])

    def _prediction(self, weights: Weights, batch: Batch) -> Tensor:
        batch = batch.to(self.device)
        predicted = self._compiled_prediction(weights, batch)
        if predicted is None:
            with self._skeletons.using(self._calls(weights, batch.conditioning)) as denoiser:
                return self._predicted(denoiser, batch)
        return predicted

    @torch.no_grad()
    def squared_errors(self, weights: Weights, batch: Batch) -> Float[Tensor, "n c h w"]:
        batch = batch.to(self.device)
        return self.parametrisation.squared_errors(self.predict(weights, batch), batch)

    def loss_and_factors(
        self, weights: Weights, batch: Batch, mask: Float[Tensor, "h w"] | None = None
    ) -> tuple[Float[Tensor, " n"], dict[str, Factors]]:
        parts = self._budget.parts(GRADIENT, batch, partial(self._factors, weights, mask))
        return joined_factors([found for _, found in parts])

    def _factors(
        self, weights: Weights, mask: Float[Tensor, "h w"] | None, batch: Batch
    ) -> tuple[Float[Tensor, " n"], dict[str, Factors]]:
        batch = batch.to(self.device)
        with torch.enable_grad():
            calls = self._calls(weights, batch.conditioning)
            with self._skeletons.using(calls) as denoiser:
                self._budget.prepare(denoiser)
                predicted = self._predicted(denoiser, batch)
                losses = masked_mean(self.parametrisation.squared_errors(predicted, batch), mask)
                # In here, for what is computed again calls the selected layers again.
                factors = draw_factors(losses, calls, self.precision.loss_scale(self.latent_shape))
        return losses.detach(), factors

    def whole_gradient(
        self, batch: Batch, objective: Objective, mask: Float[Tensor, "h w"] | None = None
    ) -> tuple[Float[Tensor, " n"], Mapping[str, Float[Tensor, "..."]]]:
        parts = self._budget.parts(WHOLE, batch, partial(self._whole, objective, mask))
        return mean_gradient(parts)

    def _whole(
        self, objective: Objective, mask: Float[Tensor, "h w"] | None, batch: Batch
    ) -> tuple[Float[Tensor, " n"], Mapping[str, Float[Tensor, "..."]]]:
        batch = batch.to(self.device)
        with torch.enable_grad(), self._whole_skeletons.using({}) as denoiser:
            # Leaves of this call's own over the loaded tensors: theirs are never written to.
            leaves = {n: weight.detach().requires_grad_() for n, weight in denoiser.named_parameters()}

            def with_leaves(*given: object, **named: object) -> Any:
                return functional_call(denoiser, leaves, given, named)

            prediction = self._answer(with_leaves, *self._asked(batch))
            errors = self.parametrisation.squared_errors(prediction, batch)
            scale = self.precision.loss_scale(self.latent_shape)
            value = objective.of(prediction, errors, mask).mean() * scale
            # What it does not depend on has a gradient of zero.
            gradients = torch.autograd.grad(value, list(leaves.values()), materialize_grads=True)
        losses = masked_mean(errors.detach(), mask)
        exact = (self.precision.predicted(each.to(self._home)) / scale for each in gradients)
        return losses, dict(zip(leaves, exact, strict=True))

    def _calls(self, weights: Weights, captions: Conditioning) -> Mapping[str, LayerCall]:
        """What the selected layers do, with these weights."""
        if not self._reads_captions:
            return {name: Applied(weight, self._biases[name]) for name, weight in weights.items()}
        outputs = projected(weights, self._biases, captions.tokens)
        return {name: Projected(captions.tokens, output) for name, output in outputs.items()}

    def _predicted(self, denoiser: Asked, batch: Batch) -> Tensor:
        return self._answer(denoiser, *self._asked(batch))

    def _answer(
        self, denoiser: Asked, noisy: Float[Tensor, "n c h w"], times: Tensor, told: Conditioning
    ) -> Float[Tensor, "n c h w"]:
        """What a denoiser predicts, in single precision, computed in the model's own."""
        noisy, told = self.precision.told(noisy, told)
        return self.precision.predicted(self._denoised(denoiser, noisy, times, told))

    def _compiled_prediction(self, weights: Weights, batch: Batch) -> Tensor | None:
        """By another engine than torch, or None where it is torch's to predict."""
        if not self._engine.compiles:
            return None
        noisy, times, conditioning = self._asked(batch)
        outputs = projections(weights, self._biases, conditioning.tokens)
        return self._engine.prediction(Pass(noisy, times, conditioning.tokens, outputs))

    def _asked(self, batch: Batch) -> tuple[Tensor, Tensor, Conditioning]:
        """What the denoiser is given of a batch."""
        times = self.parametrisation.denoiser_times(batch.times)
        return self.parametrisation.noisy(batch), times, batch.conditioning


def frozen(module: nn.Module, device: torch.device) -> Any:
    """A module as it is used here: on its device, in evaluation, no gradient of its own."""
    return module.to(device).eval().requires_grad_(False)

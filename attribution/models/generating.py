"""How a denoiser makes pictures: a sampler's steps, with weights that are values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from attribution.errors import SettingsError
from attribution.models.base import Generation, GenerationStep, Weights
from attribution.models.batch import Conditioning
from attribution.models.families import Layout
from attribution.models.layer_calls import LayerCall
from attribution.models.sampler import Sampler, preview_steps, sampler_of
from attribution.models.skeletons import Skeletons
from attribution.rng import gaussian


class MakesPictures(ABC):
    """What a model of any family makes pictures by."""

    layout: ClassVar[Layout]
    takes_negative_prompt: ClassVar[bool] = True
    latent_shape: tuple[int, int, int]
    device: torch.device
    scheduler: Any
    weights: Weights
    _skeletons: Skeletons

    @abstractmethod
    def encode_captions(self, captions: Sequence[str]) -> Conditioning: ...

    @abstractmethod
    def _decoded(self, latents: Float[Tensor, "1 c h w"]) -> Image.Image:
        """A picture of latents, scaled as the denoiser sees them."""

    @abstractmethod
    def _calls(self, weights: Weights, captions: Conditioning) -> Mapping[str, LayerCall]:
        """What the selected layers do, with these weights."""

    @abstractmethod
    def _answer(
        self, denoiser: Callable[..., Any], noisy: Tensor, times: Tensor, told: Conditioning
    ) -> Float[Tensor, "n c h w"]:
        """What a denoiser predicts, in single precision."""

    @torch.no_grad()
    def generate(
        self, generation: Generation, weights: Weights | None = None, previews: int = 0
    ) -> Iterator[GenerationStep]:
        shown, steps = preview_steps(generation.steps, previews), generation.steps
        for done, (timestep, latents, clean) in enumerate(self._denoising([generation], weights), 1):
            image = self._decoded(latents) if done == steps else None
            preview = self._decoded(clean) if done in shown else None
            yield GenerationStep(done, steps, image, preview, clean, timestep)

    @torch.no_grad()
    def generate_together(self, generations: Sequence[Generation]) -> list[Image.Image]:
        """The pictures of several, as `generate` makes each, up to rounding: what keeps a GPU busy.

        They must agree in steps and guidance.
        """
        *_, (_, latents, _) = self._denoising(generations, None)
        return [self._decoded(each[None]) for each in latents]

    def _denoising(
        self, generations: Sequence[Generation], weights: Weights | None
    ) -> Iterator[tuple[int, Tensor, Tensor]]:
        """The sampler's steps: yields (timestep, latents behind it, the clean latents it points to)."""
        if not self.takes_negative_prompt and any(each.negative_prompt for each in generations):
            raise SettingsError(
                f"{self.layout.words} cannot be told what a picture should not show: leave the negative "
                "prompt empty"
            )
        sampler = self._sampler(generations[0].steps)
        noise = [gaussian(each.seed, "picture", "", 0, self.latent_shape) for each in generations]
        latents = torch.stack(noise).to(self.device)
        told = self._guiding(generations)
        calls = self._calls(self.weights if weights is None else weights, told)
        copies = len(told) // len(latents)
        for number, time in enumerate(sampler.times):
            asked = latents.repeat(copies, 1, 1, 1), time.expand(len(told)), told
            with self._skeletons.using(calls) as denoiser:
                predicted = self._answer(denoiser, *asked)
            if copies == 2:
                unconditional, conditional = predicted.chunk(2)
                predicted = unconditional + generations[0].guidance * (conditional - unconditional)
            latents, clean = sampler.step(number, predicted, latents)
            yield sampler.places[number], latents, clean

    def _guiding(self, generations: Sequence[Generation]) -> Conditioning:
        """What the denoiser is told: of each picture; before these, of what guidance leads away from."""
        without = [each.negative_prompt for each in generations]
        return self.encode_captions([*without, *(each.prompt for each in generations)])

    def _sampler(self, steps: int) -> Sampler:
        return sampler_of(self.scheduler, steps, self.device)

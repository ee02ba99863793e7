"""A diffusion model small enough to do by hand: it predicts the noise as `W c`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from PIL import Image
from torch import Tensor

from attribution.models.base import Factors, Generation, GenerationStep, Objective, Weights, masked_mean
from attribution.models.batch import Batch, Conditioning
from attribution.models.layers import CROSS_ATTENTION_KV
from attribution.models.parametrisation import Epsilon


class LinearModel:
    """`loss(W) = mean((W c - e)^2)`, whose gradient is `2/out (W c - e) c^T`."""

    def __init__(self, out: int = 6, width: int = 4, seed: int = 0):
        self.fingerprint = "linear"
        self.resolution = 8
        self.latent_shape = (1, 1, out)
        self.num_train_timesteps = 100
        self.parametrisation = Epsilon(torch.zeros(100), torch.ones(100))
        self.layers = CROSS_ATTENTION_KV
        self.device = torch.device("cpu")
        generator = torch.Generator().manual_seed(seed)
        self.weights: Weights = {"w": torch.randn(out, width, generator=generator)}
        self.all_shapes = {"w": (out, width)}

    def encode_images(self, images: Sequence[Image.Image]) -> Tensor:
        return torch.zeros(len(images), *self.latent_shape)

    def encode_captions(self, captions: Sequence[str]) -> Conditioning:
        raise NotImplementedError

    def predict(self, weights: Weights, batch: Batch) -> Tensor:
        return (batch.conditioning.tokens[:, 0] @ weights["w"].T)[:, None, None, :]

    def squared_errors(self, weights: Weights, batch: Batch) -> Tensor:
        return (self.predict(weights, batch) - batch.noise).square()

    def loss_and_factors(
        self, weights: Weights, batch: Batch, mask: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Factors]]:
        assert mask is None
        errors, tokens = self.squared_errors(weights, batch), batch.conditioning.tokens
        residual = tokens[:, 0] @ weights["w"].T - batch.noise[:, 0, 0]
        outputs = 2 / residual.shape[1] * residual
        return masked_mean(errors, None), {"w": Factors(outputs[:, None], tokens)}

    def whole_gradient(
        self, batch: Batch, objective: Objective, mask: Tensor | None = None
    ) -> tuple[Tensor, Weights]:
        raise NotImplementedError

    def generate(
        self, generation: Generation, weights: Weights | None = None, previews: int = 0
    ) -> Iterator[GenerationStep]:
        raise NotImplementedError

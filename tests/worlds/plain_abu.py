"""AbU as the paper tells it, straight through, without anything of ours but the draws.

Slow and obvious: one draw at a time through autograd, weights written into a copy of the U-Net,
every loss measured twice. What the library computes must be this.
"""

from __future__ import annotations

import copy

import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from demo.diffusion import MIN_SNR_GAMMA

Example = tuple[Tensor, Tensor]  # latent (c, h, w) and caption embedding (tokens, d)
Draw = tuple[int, Tensor]  # timestep and noise (c, h, w)


class PlainModel:
    """A copy of a pipeline's U-Net, whose key and value projections can be differentiated and changed."""

    def __init__(self, pipeline: DiffusionPipeline):
        self.unet = copy.deepcopy(pipeline.unet).requires_grad_(False)
        self.projections = [
            module.weight.requires_grad_(True)
            for name, module in self.unet.named_modules()
            if name.endswith(("attn2.to_k", "attn2.to_v"))
        ]
        self.signal = pipeline.scheduler.alphas_cumprod
        self.velocity = pipeline.scheduler.config.prediction_type == "v_prediction"
        snr = self.signal / (1 - self.signal)
        self.trained = snr.clamp(max=MIN_SNR_GAMMA) / (snr + 1)  # as the worlds' models are

    def loss(self, example: Example, draw: Draw, inside: Tensor | None = None) -> Tensor:
        (latent, caption), (t, noise) = example, draw
        a, s = self.signal[t].sqrt(), (1 - self.signal[t]).sqrt()
        predicted = self.unet((a * latent + s * noise)[None], t, caption[None]).sample[0]
        target = a * noise - s * latent if self.velocity else noise
        squared = self.trained[t] * (predicted - target) ** 2
        return squared.mean() if inside is None else squared[:, inside].mean()

    def mean_loss(self, example: Example, draws: list[Draw]) -> float:
        with torch.no_grad():
            return sum(self.loss(example, draw).double().item() for draw in draws) / len(draws)

    def gradient(self, example: Example, draw: Draw, inside: Tensor | None = None) -> tuple[Tensor, ...]:
        return torch.autograd.grad(self.loss(example, draw, inside), self.projections)


def plain_abu(
    pipeline: DiffusionPipeline,
    query: Example,
    training: list[Example],
    unlearning_draws: list[Draw],
    fisher_draws: list[list[Draw]],  # for each training image
    loss_draws: list[list[Draw]],
    training_size: int,
    alpha: float,
    damping: float,
    mask: Tensor | None = None,
) -> list[float]:
    """`tau_i = L(z_i; theta_u) - L(z_i; theta_0)` for every training image."""
    model = PlainModel(pipeline)
    gradient = [torch.zeros_like(w) for w in model.projections]
    for draw in unlearning_draws:
        parts = model.gradient(query, draw, mask)
        gradient = [g + p / len(unlearning_draws) for g, p in zip(gradient, parts, strict=True)]
    fisher = [torch.zeros_like(w) for w in model.projections]
    count = sum(len(draws) for draws in fisher_draws)
    for example, draws in zip(training, fisher_draws, strict=True):
        for draw in draws:
            parts = model.gradient(example, draw)
            fisher = [f + p**2 / count for f, p in zip(fisher, parts, strict=True)]

    before = [model.mean_loss(example, draws) for example, draws in zip(training, loss_draws, strict=True)]
    with torch.no_grad():
        for w, g, f in zip(model.projections, gradient, fisher, strict=True):
            w += alpha / training_size * g / (f + damping * f.mean())  # AbU eq. 6, damped
    after = [model.mean_loss(example, draws) for example, draws in zip(training, loss_draws, strict=True)]
    return [b - a for a, b in zip(before, after, strict=True)]

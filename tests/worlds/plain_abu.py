"""AbU as the paper tells it, straight through, without anything of ours but the draws.

Slow and obvious: one draw at a time through autograd, weights written into a copy of the U-Net,
every loss measured twice. What the library computes must be this.
"""

from __future__ import annotations

import copy

import torch
from diffusers import DiffusionPipeline
from torch import Tensor


def plain_abu(
    pipeline: DiffusionPipeline,
    query: tuple[Tensor, Tensor],  # latent (c, h, w) and caption embedding (tokens, d)
    training: list[tuple[Tensor, Tensor]],
    unlearning_draws: list[tuple[int, Tensor]],  # (timestep, noise)
    fisher_draws: list[list[tuple[int, Tensor]]],  # for each training image
    loss_draws: list[list[tuple[int, Tensor]]],
    training_size: int,
    alpha: float,
    damping: float,
    mask: Tensor | None = None,
) -> list[float]:
    """`tau_i = L(z_i; theta_u) - L(z_i; theta_0)` for every training image."""
    unet = copy.deepcopy(pipeline.unet).requires_grad_(False)
    projections = [
        module.weight
        for name, module in unet.named_modules()
        if name.endswith(("attn2.to_k", "attn2.to_v"))
    ]
    signal = pipeline.scheduler.alphas_cumprod
    velocity = pipeline.scheduler.config.prediction_type == "v_prediction"

    def loss(example: tuple[Tensor, Tensor], t: int, noise: Tensor, inside: Tensor | None = None) -> Tensor:
        latent, caption = example
        a, s = signal[t].sqrt(), (1 - signal[t]).sqrt()
        predicted = unet((a * latent + s * noise)[None], t, caption[None]).sample[0]
        squared = (predicted - (a * noise - s * latent if velocity else noise)) ** 2
        return squared.mean() if inside is None else squared[:, inside].mean()

    def mean_loss(example: tuple[Tensor, Tensor], draws: list[tuple[int, Tensor]]) -> float:
        with torch.no_grad():
            return sum(loss(example, t, noise).double().item() for t, noise in draws) / len(draws)

    for weight in projections:
        weight.requires_grad_(True)
    gradient = [torch.zeros_like(w) for w in projections]
    for t, noise in unlearning_draws:
        parts = torch.autograd.grad(loss(query, t, noise, mask), projections)
        gradient = [g + p / len(unlearning_draws) for g, p in zip(gradient, parts, strict=True)]
    fisher = [torch.zeros_like(w) for w in projections]
    count = sum(len(draws) for draws in fisher_draws)
    for example, draws in zip(training, fisher_draws, strict=True):
        for t, noise in draws:
            parts = torch.autograd.grad(loss(example, t, noise), projections)
            fisher = [f + p**2 / count for f, p in zip(fisher, parts, strict=True)]

    before = [mean_loss(example, draws) for example, draws in zip(training, loss_draws, strict=True)]
    with torch.no_grad():
        for w, g, f in zip(projections, gradient, fisher, strict=True):
            w += alpha / training_size * g / (f + damping * f.mean())  # AbU eq. 6, damped
    after = [mean_loss(example, draws) for example, draws in zip(training, loss_draws, strict=True)]
    return [b - a for a, b in zip(before, after, strict=True)]

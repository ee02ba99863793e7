"""How fast this machine is at this model: for the time that an answer is expected to take."""

from __future__ import annotations

import time

import torch

from attribution import unlearning
from attribution.diffusion import DiffusionModel

TIMED = 64  # draws


def draws_per_second(model: DiffusionModel) -> float:
    """Forward passes a second, one draw each; the first batch, which sets things up, does not count."""
    draws = unlearning.stratified_draws(model, TIMED, 0, "pace")
    latent = torch.zeros(1, *model.latent_shape, device=model.device)
    caption = model.encode_captions(["a picture"])
    began = 0.0
    for _ in range(2):
        began = time.perf_counter()
        unlearning.own_loss(model, model.weights, latent, caption, draws)
    return TIMED / (time.perf_counter() - began)

"""How fast this machine is at this model: for the time that an answer is expected to take."""

from __future__ import annotations

import time

import torch

from attribution.models.base import DiffusionModel
from attribution.models.batch import BATCH
from attribution.models.draws import stratified_draws
from attribution.models.losses import own_loss

TIMED = 128  # draws a trial
TRIALS = 4


def draws_per_second(model: DiffusionModel, batch_size: int = BATCH) -> float:
    """Forward passes a second, one draw each: the best of a few trials, the machine may be busy.

    Args:
        batch_size: draws of one pass.
    """
    draws = stratified_draws(model, TIMED, 0, "pace")
    latent = torch.zeros(1, *model.latent_shape, device=model.device)
    batch = draws.of(latent, model.encode_captions(["a picture"]))
    seconds = []
    for _ in range(TRIALS):
        began = time.perf_counter()
        own_loss(model, model.weights, batch, batch_size=batch_size)
        seconds.append(time.perf_counter() - began)
    return TIMED / min(seconds)

"""The exact gradient of every training image's own loss over the probe, as factors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from attribution.errors import NonFiniteError
from attribution.models.base import DiffusionModel, Factors
from attribution.models.batch import Conditioning
from attribution.models.draws import Probe, probe_draws


def gradient_factors(
    model: DiffusionModel,
    latents: Float[Tensor, "n c h w"],
    captions: Conditioning,
    ids: Sequence[str],
    probe: Probe,
    batch_size: int = 64,
) -> dict[str, Factors]:
    """The exact gradient of each example's mean loss over the probe, as factors `D_i^T C_i`.

    A caption's tokens do not depend on the draw, so the gradients with respect to keys and values are
    summed over draws before they meet the tokens.

    Raises:
        NonFiniteError: a loss is not finite; names the examples.
    """
    sums: dict[str, Tensor] = {}
    tokens: dict[str, Tensor] = {}
    draws_each = len(probe.timesteps) * probe.noises
    for draws in probe_draws(probe, range(probe.noises), ids, model.latent_shape, batch_size):
        losses, factors = model.loss_and_factors(model.weights, draws.of(latents, captions))
        if not torch.isfinite(losses).all():
            named = ", ".join(sorted({ids[int(e)] for e in draws.examples})[:5])
            raise NonFiniteError(f"the loss is not finite in a batch with {named}")
        where = draws.examples.to(model.device)
        for name, factor in factors.items():
            if name not in sums:
                sums[name] = factor.outputs.new_zeros(len(ids), *factor.outputs.shape[1:])
                tokens[name] = factor.inputs.new_zeros(len(ids), *factor.inputs.shape[1:])
            sums[name].index_add_(0, where, factor.outputs / draws_each)
            tokens[name][where] = factor.inputs
    return {name: Factors(sums[name], tokens[name]) for name in sums}

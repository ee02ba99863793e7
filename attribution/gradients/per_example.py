"""The exact gradient of every training image's own loss over the probe.

Of layers that read the caption, whose tokens do not depend on the draw, it is kept as factors
`D_i^T C_i`: the gradients with respect to what the layers make of the tokens are summed over draws before
they meet the tokens. Of other layers each draw's gradient is formed and added up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy import ndarray
from torch import Tensor

from attribution.errors import NonFiniteError, SettingsError
from attribution.models.base import DiffusionModel, Factors
from attribution.models.batch import Conditioning
from attribution.models.draws import Probe, ProbeDraws, probe_draws
from attribution.models.layers import selector

GROUP = 8  # training images whose full gradients are held at once

Gradients = dict[str, Float64[Tensor, "n out in"]]


def example_gradients(
    model: DiffusionModel,
    latents: Float[Tensor, "n c h w"],
    captions: Conditioning,
    ids: Sequence[str],
    probe: Probe,
    batch_size: int = 64,
) -> Iterator[Gradients]:
    """The gradient of each example's mean loss over the probe, `GROUP` examples at a time.

    In double precision: a matrix product's last bits depend on where its operands lie in memory, and
    would tip a number over to the next of the few that four bits can say.

    Raises:
        NonFiniteError: a loss is not finite; names the examples.
    """
    groups = [slice(start, start + GROUP) for start in range(0, len(ids), GROUP)]
    if not selector(model.layers).reads_captions:
        for rows in groups:
            yield _added_up(model, latents[rows], captions[rows], ids[rows], probe, batch_size)
        return
    factors = gradient_factors(model, latents, captions, ids, probe, batch_size)
    for rows in groups:
        yield {
            name: Factors(f.outputs[rows].double(), f.inputs[rows].double()).per_draw()
            for name, f in factors.items()
        }


def gradient_factors(
    model: DiffusionModel,
    latents: Float[Tensor, "n c h w"],
    captions: Conditioning,
    ids: Sequence[str],
    probe: Probe,
    batch_size: int = 64,
) -> dict[str, Factors]:
    """The gradient of each example's mean loss over the probe, as factors.

    Raises:
        NonFiniteError: a loss is not finite; names the examples.
        SettingsError: the model's layers do not read captions: see `example_gradients`.
    """
    if not selector(model.layers).reads_captions:
        raise SettingsError(f"the gradients of {model.layers} layers have no factors over all draws")
    sums: dict[str, Tensor] = {}
    tokens: dict[str, Tensor] = {}
    draws_each = len(probe.timesteps) * probe.noises
    noises = range(probe.noises)
    for draws, factors in _probe_factors(model, latents, captions, ids, probe, noises, batch_size):
        where = draws.examples.to(model.device)
        for name, factor in factors.items():
            if name not in sums:
                sums[name] = factor.outputs.new_zeros(len(ids), *factor.outputs.shape[1:])
                tokens[name] = factor.inputs.new_zeros(len(ids), *factor.inputs.shape[1:])
            sums[name].index_add_(0, where, factor.outputs / draws_each)
            tokens[name][where] = factor.inputs
    return {name: Factors(sums[name], tokens[name]) for name in sums}


def _added_up(
    model: DiffusionModel,
    latents: Float[Tensor, "n c h w"],
    captions: Conditioning,
    ids: Sequence[str],
    probe: Probe,
    batch_size: int,
) -> Gradients:
    """The gradients of a few examples, draw by draw."""
    draws_each = len(probe.timesteps) * probe.noises
    sums = {
        name: weight.new_zeros(len(ids), *weight.shape, dtype=torch.float64)
        for name, weight in model.weights.items()
    }
    noises = range(probe.noises)
    for draws, factors in _probe_factors(model, latents, captions, ids, probe, noises, batch_size):
        where = draws.examples.to(model.device)
        for name, factor in factors.items():
            sums[name].index_add_(0, where, factor.per_draw().double() / draws_each)
    return sums


def product_sweep(
    model: DiffusionModel,
    direction: Mapping[str, Float[Tensor, "out in"]],
    latents: Float[Tensor, "n c h w"],
    captions: Conditioning,
    ids: Sequence[str],
    probe: Probe,
    noises: Sequence[int],
    batch_size: int = 64,
) -> Iterator[tuple[int, Float64[ndarray, "n timesteps noises"]]]:
    """Inner products of every draw's own gradient with a direction; yields (draws done, products so far).

    No gradient is formed: the direction meets what the layer was given, and that the gradient of what it
    made of it. The array is the same object each time, NaN where nothing is there yet.

    Args:
        noises: their numbers; any, since each is drawn from the probe's seed.

    Raises:
        NonFiniteError: a loss is not finite; names the examples.
    """
    products = np.full((len(ids), len(probe.timesteps), len(noises)), np.nan)
    flat = products.reshape(-1)
    for draws, factors in _probe_factors(model, latents, captions, ids, probe, noises, batch_size):
        total = torch.zeros(len(draws.numbers), dtype=torch.float64, device=model.device)
        for name, factor in factors.items():
            along = factor.inputs @ direction[name].to(factor.inputs).T  # (draws, tokens, out)
            total += (factor.outputs.double() * along).sum(dim=(1, 2))
        flat[draws.numbers] = total.cpu().numpy()
        yield int(draws.numbers[-1]) + 1, products


def _probe_factors(
    model: DiffusionModel,
    latents: Float[Tensor, "n c h w"],
    captions: Conditioning,
    ids: Sequence[str],
    probe: Probe,
    noises: Sequence[int],
    batch_size: int,
) -> Iterator[tuple[ProbeDraws, dict[str, Factors]]]:
    """Some draws of the probe and their gradients, batch by batch."""
    for draws in probe_draws(probe, noises, ids, model.latent_shape, batch_size):
        losses, factors = model.loss_and_factors(model.weights, draws.of(latents, captions))
        if not torch.isfinite(losses).all():
            named = ", ".join(sorted({ids[int(e)] for e in draws.examples})[:5])
            raise NonFiniteError(f"the loss is not finite in a batch with {named}")
        yield draws, factors

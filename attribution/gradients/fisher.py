"""The diagonal of the Fisher information of the selected layers.

`F = E over (example, timestep, noise) of the squared gradient of that one draw's loss`: never the
square of a mean, neither over a batch nor over draws (AbU, section 3.2; elastic weight
consolidation, Kirkpatrick et al. 2017).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attribution.errors import NonFiniteError
from attribution.models.base import DiffusionModel, Factors
from attribution.models.batch import Batch, Conditioning
from attribution.rng import gaussian, generator


class Sums(NamedTuple):
    """What one chunk of the training set adds to means over per-draw gradients."""

    values: dict[str, Float64[Tensor, "rows columns"]]
    draws: int


class DrawBatch(NamedTuple):
    """Some draws' losses and gradients."""

    losses: Float[Tensor, " draws"]
    factors: dict[str, Factors]


def draw_batches(
    model: DiffusionModel,
    latents: Float[Tensor, "n c h w"],
    captions: Conditioning,
    ids: Sequence[str],
    draws: int,
    seed: int,
    batch_size: int = 64,
) -> Iterator[DrawBatch]:
    """The gradients of `draws` random draws of each example: what every expectation here is over.

    Timestep and noise of each draw belong to (seed, example, draw).

    Raises:
        NonFiniteError: a loss is not finite; names the examples of the batch.
    """
    pairs = [(row, draw) for row in range(len(ids)) for draw in range(draws)]
    for start in range(0, len(pairs), batch_size):
        batch = pairs[start : start + batch_size]
        rows = torch.tensor([row for row, _ in batch])
        timesteps = torch.tensor(
            [
                int(generator(seed, "fisher-t", ids[r], d).integers(model.num_train_timesteps))
                for r, d in batch
            ]
        )
        noise = torch.stack([gaussian(seed, "fisher", ids[r], d, model.latent_shape) for r, d in batch])
        losses, factors = model.loss_and_factors(
            model.weights, Batch(latents[rows], captions[rows], noise, timesteps)
        )
        if not torch.isfinite(losses).all():
            named = ", ".join(sorted({ids[r] for r, _ in batch})[:5])
            raise NonFiniteError(f"the loss is not finite in a batch with {named}")
        yield DrawBatch(losses, factors)


def fisher_chunk(
    model: DiffusionModel,
    latents: Float[Tensor, "n c h w"],
    captions: Conditioning,
    ids: Sequence[str],
    draws: int,
    seed: int,
    batch_size: int = 64,
) -> Sums:
    """The *sum* of squared per-draw gradients over some examples, and the number of draws in it.

    Sums of chunks add up to the sum of the whole, so that a short last chunk or batch counts for
    what it is.
    """
    batches = draw_batches(model, latents, captions, ids, draws, seed, batch_size)
    return summed(
        Sums({name: squared_gradients(factor) for name, factor in batch.factors.items()}, len(batch.losses))
        for batch in batches
    )


def squared_gradients(factor: Factors) -> Float64[Tensor, "out in"]:
    """The sum over draws of the squared gradient of each."""
    return factor.per_draw().double().square().sum(dim=0).cpu()


def mean_of_chunks(chunks: Iterable[Sums]) -> dict[str, Float64[Tensor, "rows columns"]]:
    """Add chunks up in order and divide by the number of draws."""
    total, count = summed(chunks)
    return {name: value / count for name, value in total.items()}


def summed(parts: Iterable[Sums]) -> Sums:
    """All of them added up, in order."""
    total: dict[str, Tensor] = {}
    count = 0
    for part in parts:
        for name, value in part.values.items():
            total[name] = total[name] + value if name in total else value.clone()
        count += part.draws
    return Sums(total, count)

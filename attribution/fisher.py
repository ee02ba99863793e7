"""The diagonal of the Fisher information of the key and value projections.

`F = E over (example, timestep, noise) of the squared gradient of that one draw's loss`: never the
square of a mean, neither over a batch nor over draws (AbU, section 3.2; elastic weight
consolidation, Kirkpatrick et al. 2017).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attribution.diffusion import DiffusionModel
from attribution.errors import NonFiniteError
from attribution.noise import gaussian, generator

Diagonal = dict[str, Float64[Tensor, "out in"]]


def fisher_chunk(
    model: DiffusionModel,
    latents: Float[Tensor, "n c h w"],
    captions: Float[Tensor, "n tokens d"],
    ids: Sequence[str],
    draws: int,
    seed: int,
    batch_size: int = 64,
) -> tuple[Diagonal, int]:
    """The *sum* of squared per-draw gradients over some examples, and the number of draws in it.

    Sums of chunks add up to the sum of the whole, so that a short last chunk or batch counts for
    what it is. Timestep and noise of each draw belong to (seed, example, draw).

    Raises:
        NonFiniteError: a gradient is not finite; names the examples of the batch.
    """
    sums = {name: torch.zeros(weight.shape, dtype=torch.float64) for name, weight in model.weights.items()}
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
            model.weights,
            latents[rows].to(model.device),
            captions[rows.to(captions.device)].to(model.device),
            noise.to(model.device),
            timesteps,
        )
        if not torch.isfinite(losses).all():
            named = ", ".join(sorted({ids[r] for r, _ in batch})[:5])
            raise NonFiniteError(f"the loss is not finite in a batch with {named}")
        for name, factor in factors.items():
            sums[name] += factor.per_draw().double().square().sum(dim=0).cpu()
    return sums, len(pairs)


def mean_of_chunks(chunks: Iterator[tuple[Diagonal, int]]) -> Diagonal:
    """Add up `fisher_chunk` results in order and divide by the number of draws."""
    total: Diagonal = {}
    count = 0
    for sums, draws in chunks:
        for name, value in sums.items():
            total[name] = total[name] + value if name in total else value.clone()
        count += draws
    return {name: value / count for name, value in total.items()}


def damped(fisher: Mapping[str, Tensor], damping: float) -> Diagonal:
    """`F + delta` with delta a share of each layer's mean: undamped, near-zero entries explode."""
    return {name: f.double() + damping * f.double().mean() for name, f in fisher.items()}

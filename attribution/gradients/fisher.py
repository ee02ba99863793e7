"""The diagonal of the Fisher information of the selected layers.

`F = E over (example, timestep, noise) of the squared gradient of that one draw's loss`: never the
square of a mean, neither over a batch nor over draws (AbU, section 3.2; elastic weight
consolidation, Kirkpatrick et al. 2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from attribution.errors import NonFiniteError
from attribution.gradients.allotment import Allotment
from attribution.models.base import DiffusionModel, Factors
from attribution.models.batch import Batch, Conditioning
from attribution.rng import gaussian, generator

FORMED = 2**26  # numbers of gradients that are formed at once
DRAWS = 12  # of each training image, unless asked for others


class Sums(NamedTuple):
    """What one chunk of the training set adds to means over per-draw gradients.

    Attributes:
        values: the sums, of draws as they count.
        draws: how many are in them.
        sizes: of each layer, the sum over draws of what each adds to its trace, of its square, and of what
            was cut from it.
    """

    values: dict[str, Float64[Tensor, "rows columns"]]
    draws: int
    sizes: dict[str, Float64[Tensor, " 3"]]


class DrawBatch(NamedTuple):
    """Some draws' losses and gradients.

    Attributes:
        importance: of each draw.
        counts: what each draw counts in each layer: its importance, less where it would add too much.
        sizes: as those of `Sums`.
    """

    losses: Float[Tensor, " draws"]
    factors: dict[str, Factors]
    importance: Float64[Tensor, " draws"]
    counts: dict[str, Float64[Tensor, " draws"]]
    sizes: dict[str, Float64[Tensor, " 3"]]
    timesteps: Int[Tensor, " draws"]


Layers = Iterable[tuple[str, Float64[Tensor, "rows columns"]]]  # in turn: all are large
Collect = Callable[[DrawBatch], Layers]  # some draws => what they add to an expectation


def draw_batches(
    model: DiffusionModel,
    latents: Float[Tensor, "n c h w"],
    captions: Conditioning,
    ids: Sequence[str],
    draws: int,
    seed: int,
    batch_size: int = 64,
    allotment: Allotment | None = None,
) -> Iterator[DrawBatch]:
    """The gradients of `draws` random draws of each example: what every expectation here is over.

    Timestep and noise of each draw belong to (seed, example, draw). The timesteps of one example are
    spread: draw k of n lies in the k-th n-th of the allotment's distribution.

    Args:
        allotment: how likely each timestep is drawn; None for all alike.

    Raises:
        NonFiniteError: a loss is not finite; names the examples of the batch.
    """
    allotment = allotment or Allotment.even(model.num_train_timesteps)
    pairs = [(row, draw) for row in range(len(ids)) for draw in range(draws)]
    for start in range(0, len(pairs), batch_size):
        batch = pairs[start : start + batch_size]
        rows = torch.tensor([row for row, _ in batch])
        jitter = [generator(seed, "fisher-t", ids[row], draw).random() for row, draw in batch]
        places = (np.array([draw for _, draw in batch]) + jitter) / draws
        timesteps = allotment.timesteps(places)
        noise = torch.stack([gaussian(seed, "fisher", ids[r], d, model.latent_shape) for r, d in batch])
        times = torch.from_numpy(timesteps)
        losses, factors = model.loss_and_factors(
            model.weights, Batch(latents[rows], captions[rows], noise, times)
        )
        if not torch.isfinite(losses).all():
            named = ", ".join(sorted({ids[r] for r, _ in batch})[:5])
            raise NonFiniteError(f"the loss is not finite in a batch with {named}")
        importance = torch.from_numpy(allotment.importance(timesteps)).to(losses.device)
        yield DrawBatch(losses, factors, importance, *_counted(factors, importance, allotment), times)


def _counted(
    factors: Mapping[str, Factors], importance: Float64[Tensor, " draws"], allotment: Allotment
) -> tuple[dict[str, Float64[Tensor, " draws"]], dict[str, Float64[Tensor, " 3"]]]:
    """What each draw counts in each layer, and the sizes of what they add."""
    counts, sizes = {}, {}
    for name, factor in factors.items():
        added = squared_norms(factor) * importance
        cut = (added - allotment.largest.get(name, math.inf)).clamp_min(0)
        counts[name] = importance * (1 - torch.where(cut > 0, cut / added, 0.0))
        kept = added - cut
        sizes[name] = torch.stack([kept.sum(), kept.square().sum(), cut.sum()])
    return counts, sizes


def squared_norms(factor: Factors) -> Float64[Tensor, " draws"]:
    """The squared norm of each draw's gradient `D^T C`, which is not formed: `<D D^T, C C^T>`."""
    outputs, inputs = factor.outputs.double(), factor.inputs.double()
    products = (outputs @ outputs.mT) * (inputs @ inputs.mT)
    return products.sum(dim=(1, 2)).clamp_min(0)


def fisher_chunk(
    model: DiffusionModel,
    latents: Float[Tensor, "n c h w"],
    captions: Conditioning,
    ids: Sequence[str],
    draws: int,
    seed: int,
    batch_size: int = 64,
    allotment: Allotment | None = None,
) -> Sums:
    """The *sum* of squared per-draw gradients over some examples, and the number of draws in it.

    Sums of chunks add up to the sum of the whole, so that a short last chunk or batch counts for
    what it is. They lie on the model's device: moving them takes longer than adding to them.
    """
    batches = draw_batches(model, latents, captions, ids, draws, seed, batch_size, allotment)
    (total,) = summed_at_once(batches, [squares])
    return total


def squares(batch: DrawBatch) -> Layers:
    """What some draws add to the diagonal of the Fisher information."""
    return squared_gradients(batch, batch.factors.items())


def summed_at_once(batches: Iterable[DrawBatch], collects: Sequence[Collect]) -> list[Sums]:
    """Several expectations over the same draws, each of which is differentiated once.

    Each is added up as it would be alone: the same to the last bit.
    """
    totals = [Sums({}, 0, {}) for _ in collects]
    for batch in batches:
        for number, collect in enumerate(collects):
            totals[number] = _with(totals[number], collect(batch), len(batch.losses), batch.sizes)
    return totals


def squared_gradients(batch: DrawBatch, factors: Iterable[tuple[str, Factors]]) -> Layers:
    """The sum over draws of the squared gradient of each, in each layer; `factors` may be turned ones."""
    for name, factor in factors:
        yield name, _sum_of_squares(batch.counts[name], factor)


def _sum_of_squares(counts: Float64[Tensor, " draws"], factor: Factors) -> Float64[Tensor, "out in"]:
    """Of as many draws at once as may be formed: of a large layer, few."""
    each = max(1, FORMED // (factor.outputs.shape[-1] * factor.inputs.shape[-1]))
    total = None
    for start in range(0, len(counts), each):
        part = slice(start, start + each)
        squares = Factors(factor.outputs[part], factor.inputs[part]).per_draw().double().square()
        added = torch.einsum("b,boi->oi", counts[part], squares)
        total = added if total is None else total.add_(added)
    assert total is not None, "there is a draw"
    return total


def mean_of_chunks(chunks: Iterable[Sums]) -> dict[str, Float64[Tensor, "rows columns"]]:
    """Add chunks up in order and divide by the number of draws."""
    return dict(means(summed(chunks)))


def means(total: Sums) -> Layers:
    """The mean of each layer."""
    for name, value in total.values.items():
        yield name, value / total.draws


def effective_draws(total: Sums) -> dict[str, float]:
    """How many draws each estimate effectively rests on: `(sum x)^2 / sum x^2` (Kish 1965).

    `x` is what a draw adds to the trace. Two seeds' traces differ by about `sqrt(2 / it)` of themselves.
    """
    return {
        name: float(x**2 / squares) if squares else 0.0 for name, (x, squares, _) in total.sizes.items()
    }


def cut_shares(total: Sums) -> dict[str, float]:
    """Which share of each layer's trace was cut, because single draws would have decided it."""
    return {name: float(cut / (x + cut)) if x + cut else 0.0 for name, (x, _, cut) in total.sizes.items()}


def summed(parts: Iterable[Sums]) -> Sums:
    """All of them added up, in order, where they lie."""
    total = Sums({}, 0, {})
    for part in parts:
        total = added(total, part)
    return total


def added(total: Sums, part: Sums) -> Sums:
    """A sum with a part added to it where it lies: the sum that was given is no longer one."""
    return _with(total, part.values.items(), part.draws, part.sizes)


def _with(total: Sums, values: Layers, draws: int, sizes: Mapping[str, Float64[Tensor, " 3"]]) -> Sums:
    """A sum with these added to it where it lies."""
    for into, new in ((total.values, values), (total.sizes, sizes.items())):
        for name, value in new:
            into[name] = into[name].add_(value) if name in into else value.clone()
    return total._replace(draws=total.draws + draws)

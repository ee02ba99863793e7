"""First-order attribution: one vector per training image answers every query with an inner product.

For a small step the score of AbU is linear in it. With `theta_u = theta_0 + alpha d` and
`d = (F + delta)^-1 g_q / N`,

    (L_i(theta_u) - L_i(theta_0)) / alpha  ->  <g_i, d> = <w_i, w_q> / N,   w = (F + delta)^-1/2 g,

so whitened gradients `w_i` are precomputed and searched. Both sides are whitened *before* they are
sketched: a preconditioner on one side only would inflate the sketch's noise without bound.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy import ndarray
from torch import Tensor

from attribution.errors import NonFiniteError, SettingsError
from attribution.gradients.curvature import Curvature
from attribution.models.base import DiffusionModel, Factors
from attribution.models.losses import Probe, probe_draws
from attribution.rng import generator
from attribution.workspace.vector_index import Neighbours

LARGEST = 2048  # dimensions of a sketch; smaller ones must divide it
GROUP = 8  # training images whose full gradients are held at once


def gradient_factors(
    model: DiffusionModel,
    latents: Float[Tensor, "n c h w"],
    captions: Float[Tensor, "n tokens d"],
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
        losses, factors = model.loss_and_factors(
            model.weights,
            latents[draws.examples].to(model.device),
            captions[draws.examples.to(captions.device)].to(model.device),
            draws.noise.to(model.device),
            draws.timesteps,
        )
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


@dataclass(frozen=True)
class Sketch:
    """A random projection that keeps inner products on average: the count sketch (Charikar et al. 2002).

    Every weight is added, with a random sign, to one of `dimensions` numbers. The inner product of two
    sketches is that of the vectors, with variance at most `(|x|^2 |y|^2 + <x, y>^2) / dimensions`.

    Whitened gradients are divided by the square root of the number of weights, so that their size does
    not grow with the model (half precision would overflow).

    Raises:
        SettingsError: `dimensions` does not divide the largest sketch.
    """

    dimensions: int
    seed: int
    shapes: Mapping[str, tuple[int, int]]

    def __post_init__(self) -> None:
        if self.dimensions < 1 or LARGEST % self.dimensions:
            raise SettingsError(
                f"a sketch of {self.dimensions} dimensions is not offered: choose a divisor of {LARGEST}"
            )

    @cached_property
    def weights(self) -> int:
        return sum(out * inner for out, inner in self.shapes.values())

    @cached_property
    def _places(self) -> dict[str, tuple[Int[Tensor, " size"], Float64[Tensor, " size"]]]:
        places = {}
        for name, (out, inner) in self.shapes.items():
            rng = generator(self.seed, "sketch", name)
            # Taken from the largest sketch, so that a smaller one is a larger one folded.
            buckets = torch.from_numpy(rng.integers(LARGEST, size=out * inner) % self.dimensions)
            signs = torch.from_numpy(rng.integers(2, size=out * inner) * 2.0 - 1)
            places[name] = (buckets, signs)
        return places

    def __call__(self, whitened: Mapping[str, Float[Tensor, "n out in"]]) -> Float[Tensor, "n dimensions"]:
        """The sketch of each row's whitened gradient over the square root of the number of weights."""
        first = next(iter(whitened.values()))
        out = torch.zeros(len(first), self.dimensions, dtype=torch.float64)
        for name, (buckets, signs) in self._places.items():
            out.index_add_(1, buckets, whitened[name].flatten(1).double().cpu() * signs)
        return (out / math.sqrt(self.weights)).float()


def sketched_gradients(
    factors: Mapping[str, Factors], curvature: Curvature, sketch: Sketch
) -> Float[Tensor, "n dimensions"]:
    """Whitened and sketched gradients of some examples; a few full ones are in memory at a time."""
    count = len(next(iter(factors.values())).outputs)
    parts = []
    for start in range(0, count, GROUP):
        rows = slice(start, start + GROUP)
        # In double precision: a matrix product's last bits depend on where its operands lie in memory,
        # and would tip a number over to the next of the few that four bits can say.
        full = {
            name: Factors(f.outputs[rows].double(), f.inputs[rows].double()).per_draw()
            for name, f in factors.items()
        }
        parts.append(sketch(curvature.whitened(full)))
    return torch.cat(parts)


@dataclass(frozen=True)
class Prediction:
    """First-order scores of some training images, at the step that raises the query's own loss as asked.

    Attributes:
        values: the predicted rise of each image's loss.
        stderr: the sketch's own standard error of each.
        alpha: the step of AbU eq. 6, in the linear model of the query's loss.
    """

    values: Float64[ndarray, " n"]
    stderr: Float64[ndarray, " n"]
    alpha: float


@dataclass(frozen=True)
class FirstOrder:
    """What answers a first-order query.

    Attributes:
        index: sketched gradients, each divided by its length: directions of like length are what few
            bits can hold.
        lengths: of the sketched gradients.
    """

    curvature: Curvature
    sketch: Sketch
    index: Neighbours
    lengths: Float[ndarray, " n"]

    def query_vector(
        self, gradient: Mapping[str, Float[Tensor, "out in"]]
    ) -> Float[ndarray, " dimensions"]:
        """The sketch of a query's whitened gradient."""
        whitened = self.curvature.whitened({name: g[None] for name, g in gradient.items()})
        vector: Float[ndarray, " dimensions"] = self.sketch(whitened)[0].numpy()
        return vector

    def matched_step(
        self, gradient: Mapping[str, Float[Tensor, "out in"]], loss: float, target_rise: float
    ) -> tuple[float, float]:
        """The alpha at which the query's own loss rises by `target_rise`, and the unit of scores there.

        A score is the unit times the inner product of two sketches.

        Args:
            loss: the query's own, on the draws of the gradient.

        Raises:
            NonFiniteError: the gradient is zero or not finite.
        """
        inverse = self.curvature.inverse(gradient)
        own = sum(float((g.double() * inverse[name]).sum()) for name, g in gradient.items())
        if not (np.isfinite(own) and own > 0):
            raise NonFiniteError("the picture's gradient is zero or not finite: nothing can be unlearned")
        examples = len(self.index.ids)
        alpha = target_rise * loss * examples / own
        return alpha, alpha / examples * self.sketch.weights

    def predict(
        self,
        gradient: Mapping[str, Float[Tensor, "out in"]],
        loss: float,
        target_rise: float,
        rows: Int[ndarray, " k"],
    ) -> Prediction:
        """Scores of `rows` at the matched step, with the sketch's own standard errors."""
        alpha, unit = self.matched_step(gradient, loss, target_rise)
        vector = self.query_vector(gradient)
        products = self.index.scores(vector, rows) * self.lengths[rows]
        length = float(np.linalg.norm(vector.astype(np.float64)))
        variance = ((self.lengths[rows] * length) ** 2 + products**2) / self.sketch.dimensions
        return Prediction(unit * products, unit * np.sqrt(variance), alpha)

    def products(self, queries: Float[ndarray, "queries dimensions"]) -> Float[ndarray, "n queries"]:
        """Inner products of all training images with some queries, single precision."""
        scores: Float[ndarray, "n queries"] = self.index.vectors @ queries.T.astype(np.float32)
        return scores * self.lengths[:, None].astype(np.float32)

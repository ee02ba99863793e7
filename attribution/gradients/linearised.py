"""First-order attribution: one vector per training image answers every query with an inner product.

For a small step the score of AbU is linear in it. With `theta_u = theta_0 + alpha d` and
`d = (F + delta)^-1 g_q / N`,

    (L_i(theta_u) - L_i(theta_0)) / alpha  ->  <g_i, d> = <w_i, w_q> / N,   w = (F + delta)^-1/2 g,

so whitened gradients `w_i` are precomputed and searched. Both sides are whitened *before* they are
sketched: a preconditioner on one side only would inflate the sketch's noise without bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int
from numpy import ndarray
from torch import Tensor

from attribution.errors import NonFiniteError
from attribution.gradients.curvature import Curvature
from attribution.gradients.projection import Sketch
from attribution.workspace.vector_index import Neighbours


@dataclass(frozen=True)
class Prediction:
    """First-order scores of some training images, at the step that raises the query's own loss as asked.

    Attributes:
        values: the predicted rise of each image's loss.
        stderr: the sketch's own standard error of each.
        alpha: the step of AbU eq. 6, in the linear model of the query's loss; None of what no step is in.
    """

    values: Float64[ndarray, " n"]
    stderr: Float64[ndarray, " n"]
    alpha: float | None


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

    def cosines(
        self, gradient: Mapping[str, Float[Tensor, "out in"]], rows: Int[ndarray, " k"]
    ) -> Prediction:
        """Cosines of the whitened gradients of `rows` with the query's, with the sketch's standard errors.

        Raises:
            NonFiniteError: the gradient is zero or not finite.
        """
        vector = self.query_vector(gradient)
        length = float(np.linalg.norm(vector.astype(np.float64)))
        if not (np.isfinite(length) and length > 0):
            raise NonFiniteError("the picture's gradient is zero or not finite: it has no direction")
        values = np.asarray(self.index.scores(vector, rows) / length, np.float64)
        return Prediction(values, np.sqrt((1 + values**2) / self.sketch.dimensions), None)

    def products(self, queries: Float[ndarray, "queries dimensions"]) -> Float[ndarray, "n queries"]:
        """Inner products of all training images with some queries, single precision."""
        scores: Float[ndarray, "n queries"] = self.index.vectors @ queries.T.astype(np.float32)
        return scores * self.lengths[:, None].astype(np.float32)

"""RelatIF: first order, made relative (Barshan, Brunet & Dziugaite, AISTATS 2020).

A training image with a large gradient changes every picture, and so comes first for every query. RelatIF
looks for the most influential image among those that change the model equally. Its l-relative influence
divides by how far an image moves losses in general,

    <w_i, w_q> / |w_i|,   |w_i|^2 = <g_i, (F + delta)^-1 g_i>,   w = (F + delta)^-1/2 g

with the Fisher information in place of the Hessian. Scores are divided by the query's own `|w_q|` as well,
on which no order depends: they are cosines. The index has each `w_i` as a direction and a length already,
so this is first order without its lengths.

The other form, theta-relative, divides by `|(F + delta)^-1 g_i|`, the change of the weights themselves. It
is not offered: it weighs the coordinates of `w_i` anew, which a sketch has mixed, so it cannot be had from
this artifact.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jaxtyping import Int
from numpy import ndarray

from attribution.gradients.curvature import Gradient
from attribution.gradients.linearised import Prediction
from attribution.gradients.query_context import QueryContext
from attribution.gradients.stored import GRADIENTS
from attribution.methods.first_order import ByGradient, GradientOptions


@dataclass(frozen=True)
class RelatIF(ByGradient):
    """The cosine of each training image's whitened gradient with the query's."""

    name: str = "relatif"
    title: str = "RelatIF"
    description: str = (
        "First order per unit of an image's own strength, the cosine of the gradients: images that would "
        "change every picture no longer come first for each."
    )
    options: GradientOptions = field(default_factory=GradientOptions)

    def predicted(
        self, context: QueryContext, gradient: Gradient, loss: float, rows: Int[ndarray, " k"]
    ) -> Prediction:
        return context.workspace.load(GRADIENTS).cosines(gradient, rows)


METHODS = (RelatIF(),)

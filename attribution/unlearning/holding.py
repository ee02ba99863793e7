"""Unlearn what is in a box and hold what lies outside of it.

The gradient of the loss inside a box is of the picture's caption as a whole: a step along it also moves
what the model predicts outside of the box, through words that have nothing to do with what is in it. So
what lies outside is added to the curvature: moving it costs. With `G` the gradients of some draws' losses
out there, one a row, the step is the natural gradient in `F + kappa G^T G` (Woodbury),

    d = F^-1 (g - G^T lambda),    lambda = (G F^-1 G^T + rho I)^-1 G F^-1 g,

with `rho = 1 / kappa` a small share of the mean of `G F^-1 G^T`'s diagonal: as good as held.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attribution.gradients.curvature import Curvature
from attribution.models.base import DiffusionModel, Factors
from attribution.models.batch import Batch

SLACK = 1e-3  # rho, as a share of the mean diagonal
# What makes one layer's gradients: those of all would be as many copies of the weights as there are draws.
Formed = Callable[[], Float[Tensor, "draws out in"]]


def gradients_outside(
    model: DiffusionModel, batch: Batch, mask: Float[Tensor, "h w"], batch_size: int
) -> dict[str, Formed]:
    """Each draw's gradient of the picture's loss outside of a box, layer by layer.

    Args:
        mask: ones inside of the box, zeros outside.
        batch_size: draws of one pass.
    """
    parts = [
        {name: _lean(own) for name, own in model.loss_and_factors(model.weights, part, 1 - mask)[1].items()}
        for part in batch.parts(batch_size)
    ]
    return {name: partial(_together, [part[name] for part in parts]) for name in model.weights}


def _lean(factors: Factors) -> Formed:
    """Gradients of some draws, kept as their factors where these are smaller than they are."""
    whole = len(factors.outputs) * factors.outputs.shape[-1] * factors.inputs.shape[-1]
    if factors.outputs.numel() + factors.inputs.numel() < whole:
        return factors.per_draw
    gradients = factors.per_draw()
    return lambda: gradients


def _together(parts: Sequence[Formed]) -> Float[Tensor, "draws out in"]:
    return torch.cat([formed() for formed in parts])


def held(
    gradient: Mapping[str, Tensor], outside: Mapping[str, Formed], curvature: Curvature
) -> dict[str, Float64[Tensor, "out in"]]:
    """`g - G^T lambda`: the gradient, less what would move the outside."""
    count = len(next(iter(outside.values()))())
    products, along = torch.zeros(count, count, dtype=torch.double), torch.zeros(count, dtype=torch.double)
    for name, inside in gradient.items():
        of_draws = curvature.whitened({name: outside[name]().double()})[name].flatten(1)
        of_box = curvature.whitened({name: inside.double()})[name].flatten()
        products += (of_draws @ of_draws.T).cpu()
        along += (of_draws @ of_box).cpu()
    slack = SLACK * products.diagonal().mean() * torch.eye(count, dtype=torch.double)
    shares = torch.linalg.solve(products + slack, along)
    return {
        name: inside.double() - torch.tensordot(shares.to(inside.device), outside[name]().double(), 1)
        for name, inside in gradient.items()
    }

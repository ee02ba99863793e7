"""Unlearn one picture: a natural-gradient ascent step on its loss (AbU eq. 4-6).

`theta_u = theta_0 + (alpha / N) F^-1 grad L(z_hat, c_hat; theta_0)`, with F damped per layer. How large
alpha is: see `attribution.unlearning.calibration`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from attribution.gradients.curvature import Curvature
from attribution.models.base import DiffusionModel, Weights
from attribution.models.batch import BATCH, Batch
from attribution.models.losses import own_loss


@dataclass(frozen=True)
class Unlearned:
    """The weights after unlearning, and how they were reached.

    Attributes:
        weights: new tensors; the loaded ones are unchanged.
        alpha: the step of AbU eq. 6.
        loss_before, loss_after: the picture's own loss on the held-out draws.
        trials: steps tried until the rise was as asked.
    """

    weights: Weights
    alpha: float
    loss_before: float
    loss_after: float
    trials: int

    @property
    def rise(self) -> float:
        """The relative rise of the picture's own loss."""
        return self.loss_after / self.loss_before - 1


def ascent_direction(
    gradient: Mapping[str, Tensor], curvature: Curvature, examples: int
) -> dict[str, Float[Tensor, "out in"]]:
    """`(F + delta)^-1 g / N`, float32."""
    return {name: (g / examples).float() for name, g in curvature.inverse(gradient).items()}


def stepped(weights: Weights, direction: Mapping[str, Tensor], alpha: float) -> Weights:
    """`theta_0 + alpha d`, as new tensors."""
    return {name: weight + alpha * direction[name] for name, weight in weights.items()}


def fixed_step(
    model: DiffusionModel,
    direction: Mapping[str, Tensor],
    held_out: Batch,
    alpha: float,
    mask: Float[Tensor, "h w"] | None = None,
    batch_size: int = BATCH,
) -> Unlearned:
    """The step of AbU eq. 6 with a given alpha, and what it does to the picture's own loss.

    Args:
        batch_size: draws of one pass.
    """
    weights = stepped(model.weights, direction, alpha)
    before = own_loss(model, model.weights, held_out, mask, batch_size)
    after = own_loss(model, weights, held_out, mask, batch_size)
    return Unlearned(weights, alpha, before, after, trials=0)

"""How large a step is: alpha is calibrated so that the picture's own loss rises by a set share.

The loss is measured on draws held out from the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from jaxtyping import Float
from torch import Tensor

from attribution.errors import CalibrationError
from attribution.gradients.draw_gradient import QueryGradient
from attribution.models.base import DiffusionModel, Weights
from attribution.models.batch import BATCH, Batch
from attribution.models.losses import own_loss
from attribution.unlearning.step import Unlearned, stepped

RISE_TOLERANCE = 0.01  # of the relative rise: 10% means between 9% and 11%
MAX_TRIALS = 40


def calibrated_step(
    model: DiffusionModel,
    direction: Mapping[str, Tensor],
    held_out: Batch,
    target_rise: float,
    mask: Float[Tensor, "h w"] | None = None,
    guess: float | None = None,
    batch_size: int = BATCH,
) -> Iterator[tuple[int, Unlearned | None]]:
    """Try alphas until the picture's own loss rises by `target_rise`; yields (trials, result).

    The step grows until the rise is passed, then false position between the two steps around it.

    Args:
        guess: the first alpha tried; see `linear_step`.
        batch_size: draws of one pass.

    Raises:
        CalibrationError: the rise cannot be reached.
    """
    before = own_loss(model, model.weights, held_out, mask, batch_size)
    low, high = (0.0, 0.0), (float("inf"), float("inf"))  # (alpha, rise): too small, too large
    alpha = _first_guess(model.weights, direction) if guess is None else guess
    rise = float("nan")
    for trial in range(1, MAX_TRIALS + 1):
        weights = stepped(model.weights, direction, alpha)
        after = own_loss(model, weights, held_out, mask, batch_size)
        rise = after / before - 1
        if abs(rise - target_rise) <= RISE_TOLERANCE:
            yield trial, Unlearned(weights, alpha, before, after, trial)
            return
        if rise < target_rise:  # a loss that is not finite counts as too large a step
            low = (alpha, rise)
        else:
            high = (alpha, rise)
        alpha = _next_step(low, high, target_rise)
        yield trial, None
    raise CalibrationError(
        f"no step raised the picture's loss by {target_rise:.0%} (last tried: alpha {alpha:.3g}, rise "
        f"{rise:.1%}): set --alpha, or ask for another rise"
    )


def linear_step(gradient: QueryGradient, direction: Mapping[str, Tensor], target_rise: float) -> float:
    """The alpha at which a linear loss would rise by `target_rise`: where calibration begins.

    Raises:
        CalibrationError: the gradient is zero.
    """
    slope = sum(float((g.double() * direction[name].double()).sum()) for name, g in gradient.mean.items())
    if not slope > 0:
        raise CalibrationError("the picture's gradient is zero: there is nothing to unlearn")
    return target_rise * gradient.loss / slope


def _next_step(low: tuple[float, float], high: tuple[float, float], target: float) -> float:
    """Towards the target along the line between two steps, well inside them."""
    if math.isinf(high[0]):
        growth = target / low[1] if low[1] > 0 else 2.0
        return low[0] * min(max(growth, 1.2), 4.0)
    share = (target - low[1]) / (high[1] - low[1])
    if not math.isfinite(share) or math.isinf(high[1]):
        share = 0.5
    return low[0] + min(max(share, 0.1), 0.9) * (high[0] - low[0])


def _first_guess(weights: Weights, direction: Mapping[str, Tensor]) -> float:
    """The step that moves the weights by a thousandth of their norm."""
    size = math.sqrt(sum(float(w.double().square().sum()) for w in weights.values()))
    step = math.sqrt(sum(float(d.double().square().sum()) for d in direction.values()))
    if not step > 0:
        raise CalibrationError("the picture's gradient is zero: there is nothing to unlearn")
    return 1e-3 * size / step

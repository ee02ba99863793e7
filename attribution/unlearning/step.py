"""Unlearn one picture: a natural-gradient ascent step on its loss (AbU eq. 4-6).

`theta_u = theta_0 + (alpha / N) F^-1 grad L(z_hat, c_hat; theta_0)`, with F damped per layer and
alpha calibrated so that the picture's own loss, on draws held out from the gradient, rises by a
set share.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attribution.errors import CalibrationError, NonFiniteError, SettingsError
from attribution.gradients.curvature import Curvature
from attribution.models.base import DiffusionModel, Weights, masked_mean
from attribution.rng import gaussian, generator

RISE_TOLERANCE = 0.01  # of the relative rise: 10% means between 9% and 11%
MAX_TRIALS = 40


@dataclass(frozen=True)
class Draws:
    """(timestep, noise) draws of one picture, in antithetic pairs."""

    timesteps: Int[Tensor, " draws"]
    noise: Float[Tensor, "draws c h w"]


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


def stratified_draws(
    model: DiffusionModel, count: int, seed: int, purpose: str, example_id: str | None = None
) -> Draws:
    """`count` draws: one random timestep in each of `count / 2` equal strata, noise e and -e in each.

    They come in an order in which every first part is spread over the whole schedule, so that a
    gradient may be looked at before all of it is there. They belong to the example of this id, or to
    the query without one.

    Raises:
        SettingsError: `count` is odd or less than 2.
    """
    if count < 2 or count % 2:
        raise SettingsError(f"{count} draws cannot be paired: give an even number")
    pairs = count // 2
    owner = () if example_id is None else (example_id,)
    jitter = torch.from_numpy(generator(seed, purpose, "timesteps", *owner).random(pairs))
    timesteps = ((torch.arange(pairs) + jitter) / pairs * model.num_train_timesteps).long()
    name = "query" if example_id is None else example_id
    noise = torch.stack([gaussian(seed, purpose, name, k, model.latent_shape) for k in range(pairs)])
    order = spread_order(pairs)
    timesteps, noise = timesteps[order], noise[order]
    return Draws(timesteps.repeat_interleave(2), torch.stack([noise, -noise], dim=1).flatten(0, 1))


def spread_order(count: int) -> Int[Tensor, " count"]:
    """0 ... count - 1 by van der Corput's sequence: bits reversed, so that neighbours are far apart."""
    bits = max(1, (count - 1).bit_length())
    reversed_bits = [int(f"{k:0{bits}b}"[::-1], 2) for k in range(2**bits)]
    return torch.tensor([k for k in reversed_bits if k < count])


@dataclass(frozen=True)
class QueryGradient:
    """The gradient of the picture's own loss over the draws that are done.

    Attributes:
        draws: done, of `total`.
        mean: `grad L(z_hat, c_hat; theta_0)`, the mean over them.
        loss: the picture's mean loss over them.
        halves: the means over the batches of even and of odd number, two gradients that no draw is
            shared by; None while there is but one batch.
    """

    draws: int
    total: int
    mean: Mapping[str, Float[Tensor, "out in"]]
    loss: float
    halves: tuple[Mapping[str, Float[Tensor, "out in"]], Mapping[str, Float[Tensor, "out in"]]] | None = (
        None
    )


def query_gradient(
    model: DiffusionModel,
    latent: Float[Tensor, "#draws c h w"],
    caption: Float[Tensor, "#draws tokens d"],
    draws: Draws,
    mask: Float[Tensor, "h w"] | None = None,
    batch_size: int = 64,
) -> Iterator[QueryGradient]:
    """Yields the gradient after each batch of draws; the last one is over all of them.

    Args:
        latent, caption: of one picture for all draws, or each draw's own.

    Raises:
        NonFiniteError: the picture's loss is not finite.
    """
    total = len(draws.timesteps)
    halves = [{name: torch.zeros_like(weight) for name, weight in model.weights.items()} for _ in range(2)]
    counts, losses_sum = [0, 0], 0.0
    for number, start in enumerate(range(0, total, batch_size)):
        part = slice(start, start + batch_size)
        n = len(draws.timesteps[part])
        losses, factors = model.loss_and_factors(
            model.weights,
            latent.expand(total, -1, -1, -1)[part],
            caption.expand(total, -1, -1)[part],
            draws.noise[part].to(model.device),
            draws.timesteps[part],
            mask,
        )
        if not torch.isfinite(losses).all():
            raise NonFiniteError("the picture's own loss is not finite under this model")
        losses_sum += losses.double().sum().item()
        for name, factor in factors.items():
            halves[number % 2][name] += factor.mean() * n
        counts[number % 2] += n
        done = start + n
        mean = {name: (g + halves[1][name]) / done for name, g in halves[0].items()}
        apart = None
        if counts[1]:
            even, odd = (
                {name: g / count for name, g in half.items()}
                for half, count in zip(halves, counts, strict=True)
            )
            apart = (even, odd)
        yield QueryGradient(done, total, mean, losses_sum / done, apart)


def ascent_direction(
    gradient: Mapping[str, Tensor], curvature: Curvature, examples: int
) -> dict[str, Float[Tensor, "out in"]]:
    """`(F + delta)^-1 g / N`, float32."""
    return {name: (g / examples).float() for name, g in curvature.inverse(gradient).items()}


def stepped(weights: Weights, direction: Mapping[str, Tensor], alpha: float) -> Weights:
    """`theta_0 + alpha d`, as new tensors."""
    return {name: weight + alpha * direction[name] for name, weight in weights.items()}


def draw_losses(
    model: DiffusionModel,
    weights: Weights,
    latent: Float[Tensor, "#draws c h w"],
    caption: Float[Tensor, "#draws tokens d"],
    draws: Draws,
    mask: Float[Tensor, "h w"] | None = None,
) -> Float[Tensor, " draws"]:
    """The loss of each draw, float64; antithetic pairs stand side by side."""
    n = len(draws.timesteps)
    errors = model.squared_errors(
        weights,
        latent.expand(n, -1, -1, -1),
        caption.expand(n, -1, -1),
        draws.noise.to(model.device),
        draws.timesteps,
    )
    return masked_mean(errors, mask).double()


def own_loss(
    model: DiffusionModel,
    weights: Weights,
    latent: Float[Tensor, "#draws c h w"],
    caption: Float[Tensor, "#draws tokens d"],
    draws: Draws,
    mask: Float[Tensor, "h w"] | None = None,
) -> float:
    """The picture's mean loss over some draws."""
    return draw_losses(model, weights, latent, caption, draws, mask).mean().item()


def fixed_step(
    model: DiffusionModel,
    direction: Mapping[str, Tensor],
    latent: Float[Tensor, "#draws c h w"],
    caption: Float[Tensor, "#draws tokens d"],
    held_out: Draws,
    alpha: float,
    mask: Float[Tensor, "h w"] | None = None,
) -> Unlearned:
    """The step of AbU eq. 6 with a given alpha, and what it does to the picture's own loss."""
    weights = stepped(model.weights, direction, alpha)
    before = own_loss(model, model.weights, latent, caption, held_out, mask)
    after = own_loss(model, weights, latent, caption, held_out, mask)
    return Unlearned(weights, alpha, before, after, trials=0)


def calibrated_step(
    model: DiffusionModel,
    direction: Mapping[str, Tensor],
    latent: Float[Tensor, "#draws c h w"],
    caption: Float[Tensor, "#draws tokens d"],
    held_out: Draws,
    target_rise: float,
    mask: Float[Tensor, "h w"] | None = None,
    guess: float | None = None,
) -> Iterator[tuple[int, Unlearned | None]]:
    """Try alphas until the picture's own loss rises by `target_rise`; yields (trials, result).

    The step grows until the rise is passed, then false position between the two steps around it.

    Args:
        guess: the first alpha tried; see `linear_step`.

    Raises:
        CalibrationError: the rise cannot be reached.
    """
    before = own_loss(model, model.weights, latent, caption, held_out, mask)
    low, high = (0.0, 0.0), (float("inf"), float("inf"))  # (alpha, rise): too small, too large
    alpha = _first_guess(model.weights, direction) if guess is None else guess
    rise = float("nan")
    for trial in range(1, MAX_TRIALS + 1):
        weights = stepped(model.weights, direction, alpha)
        after = own_loss(model, weights, latent, caption, held_out, mask)
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


def _next_step(low: tuple[float, float], high: tuple[float, float], target: float) -> float:
    """Towards the target along the line between two steps, well inside them."""
    if math.isinf(high[0]):
        growth = target / low[1] if low[1] > 0 else 2.0
        return low[0] * min(max(growth, 1.2), 4.0)
    share = (target - low[1]) / (high[1] - low[1])
    if not math.isfinite(share) or math.isinf(high[1]):
        share = 0.5
    return low[0] + min(max(share, 0.1), 0.9) * (high[0] - low[0])


def linear_step(gradient: QueryGradient, direction: Mapping[str, Tensor], target_rise: float) -> float:
    """The alpha at which a linear loss would rise by `target_rise`: where calibration begins.

    Raises:
        CalibrationError: the gradient is zero.
    """
    slope = sum(float((g.double() * direction[name].double()).sum()) for name, g in gradient.mean.items())
    if not slope > 0:
        raise CalibrationError("the picture's gradient is zero: there is nothing to unlearn")
    return target_rise * gradient.loss / slope


def _first_guess(weights: Weights, direction: Mapping[str, Tensor]) -> float:
    """The step that moves the weights by a thousandth of their norm."""
    size = math.sqrt(sum(float(w.double().square().sum()) for w in weights.values()))
    step = math.sqrt(sum(float(d.double().square().sum()) for d in direction.values()))
    if not step > 0:
        raise CalibrationError("the picture's gradient is zero: there is nothing to unlearn")
    return 1e-3 * size / step

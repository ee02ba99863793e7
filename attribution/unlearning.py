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

from attribution.diffusion import DiffusionModel, Weights, masked_mean
from attribution.errors import CalibrationError, NonFiniteError, SettingsError
from attribution.fisher import damped
from attribution.noise import gaussian, generator

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


def stratified_draws(model: DiffusionModel, count: int, seed: int, purpose: str) -> Draws:
    """`count` draws: one random timestep in each of `count / 2` equal strata, noise e and -e in each.

    Raises:
        SettingsError: `count` is odd or less than 2.
    """
    if count < 2 or count % 2:
        raise SettingsError(f"{count} draws cannot be paired: give an even number")
    pairs = count // 2
    jitter = torch.from_numpy(generator(seed, purpose, "timesteps").random(pairs))
    timesteps = ((torch.arange(pairs) + jitter) / pairs * model.num_train_timesteps).long()
    noise = torch.stack([gaussian(seed, purpose, "query", k, model.latent_shape) for k in range(pairs)])
    return Draws(timesteps.repeat_interleave(2), torch.stack([noise, -noise], dim=1).flatten(0, 1))


def query_gradient(
    model: DiffusionModel,
    latent: Float[Tensor, "1 c h w"],
    caption: Float[Tensor, "1 tokens d"],
    draws: Draws,
    mask: Float[Tensor, "h w"] | None = None,
    batch_size: int = 64,
) -> Iterator[tuple[int, dict[str, Float[Tensor, "out in"]]]]:
    """`grad L(z_hat, c_hat; theta_0)`; yields (draws done, gradient summed so far / all draws).

    The same dictionary each time; the last one is the gradient of the mean loss.
    """
    total = len(draws.timesteps)
    gradient = {name: torch.zeros_like(weight) for name, weight in model.weights.items()}
    for start in range(0, total, batch_size):
        part = slice(start, start + batch_size)
        n = len(draws.timesteps[part])
        losses, factors = model.loss_and_factors(
            model.weights,
            latent.expand(n, -1, -1, -1),
            caption.expand(n, -1, -1),
            draws.noise[part].to(model.device),
            draws.timesteps[part],
            mask,
        )
        if not torch.isfinite(losses).all():
            raise NonFiniteError("the picture's own loss is not finite under this model")
        for name, factor in factors.items():
            gradient[name] += factor.mean() * (n / total)
        yield start + n, gradient


def ascent_direction(
    gradient: Mapping[str, Tensor], fisher: Mapping[str, Tensor], examples: int, damping: float
) -> dict[str, Float[Tensor, "out in"]]:
    """`(F + delta)^-1 g / N`, float32."""
    inverse = damped(fisher, damping)
    direction = {}
    for name, g in gradient.items():
        quotient = g.double() / inverse[name].to(g.device) / examples
        # Undamped, a weight that no draw has moved is 0 / 0: it stays where it is.
        direction[name] = torch.where(g == 0, 0.0, quotient).float()
    return direction


def stepped(weights: Weights, direction: Mapping[str, Tensor], alpha: float) -> Weights:
    """`theta_0 + alpha d`, as new tensors."""
    return {name: weight + alpha * direction[name] for name, weight in weights.items()}


def own_loss(
    model: DiffusionModel,
    weights: Weights,
    latent: Float[Tensor, "1 c h w"],
    caption: Float[Tensor, "1 tokens d"],
    draws: Draws,
    mask: Float[Tensor, "h w"] | None = None,
) -> float:
    """The picture's mean loss over some draws."""
    n = len(draws.timesteps)
    errors = model.squared_errors(
        weights,
        latent.expand(n, -1, -1, -1),
        caption.expand(n, -1, -1),
        draws.noise.to(model.device),
        draws.timesteps,
    )
    return masked_mean(errors, mask).double().mean().item()


def fixed_step(
    model: DiffusionModel,
    direction: Mapping[str, Tensor],
    latent: Float[Tensor, "1 c h w"],
    caption: Float[Tensor, "1 tokens d"],
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
    latent: Float[Tensor, "1 c h w"],
    caption: Float[Tensor, "1 tokens d"],
    held_out: Draws,
    target_rise: float,
    mask: Float[Tensor, "h w"] | None = None,
) -> Iterator[tuple[int, Unlearned | None]]:
    """Bisect alpha until the picture's own loss rises by `target_rise`; yields (trials, result).

    The step is first doubled until the rise is passed, then halved in on.

    Raises:
        CalibrationError: the rise cannot be reached.
    """
    before = own_loss(model, model.weights, latent, caption, held_out, mask)
    low, high, alpha = 0.0, float("inf"), _first_guess(model.weights, direction)
    for trial in range(1, MAX_TRIALS + 1):
        weights = stepped(model.weights, direction, alpha)
        after = own_loss(model, weights, latent, caption, held_out, mask)
        rise = after / before - 1
        if abs(rise - target_rise) <= RISE_TOLERANCE:
            yield trial, Unlearned(weights, alpha, before, after, trial)
            return
        if rise < target_rise:  # a loss that is not finite counts as too large a step
            low = alpha
        else:
            high = alpha
        alpha = 2 * alpha if high == float("inf") else (low + high) / 2
        yield trial, None
    raise CalibrationError(
        f"no step raised the picture's loss by {target_rise:.0%} (last tried: alpha {alpha:.3g}, rise "
        f"{rise:.1%}): set --alpha, or ask for another rise"
    )


def _first_guess(weights: Weights, direction: Mapping[str, Tensor]) -> float:
    """The step that moves the weights by a thousandth of their norm."""
    size = math.sqrt(sum(float(w.double().square().sum()) for w in weights.values()))
    step = math.sqrt(sum(float(d.double().square().sum()) for d in direction.values()))
    if not step > 0:
        raise CalibrationError("the picture's gradient is zero: there is nothing to unlearn")
    return 1e-3 * size / step

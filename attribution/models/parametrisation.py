"""What a denoiser was trained to predict, from what, and with which weight on each draw's loss.

A noisy latent is `x_t = signal_t x_0 + noise_t e`. A denoiser predicts one of

Epsilon    the noise `e` (Ho et al. 2020)
Velocity   `v = signal_t e - noise_t x_0` (Salimans & Ho 2022)
Flow       `u = e - x_0`, along `signal_t = 1 - noise_t` (Lipman et al. 2023, Liu et al. 2023)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from attribution.errors import ModelError
from attribution.models.batch import Batch


@dataclass(frozen=True, eq=False)
class LossWeight:
    """What a draw's loss was multiplied by in training.

    Attributes:
        name: of the scheme, see `attribution.models.loss_weights`.
        table: the weight at each time of the schedule; None where all are 1, so that nothing is
            multiplied.
    """

    name: str = "none"
    table: Float[Tensor, " times"] | None = None

    def applied(
        self, errors: Float[Tensor, "n c h w"], times: Int[Tensor, " n"]
    ) -> Float[Tensor, "n c h w"]:
        return errors if self.table is None else errors * at(self.table, times)


UNIFORM = LossWeight()


@dataclass(frozen=True, eq=False)
class Parametrisation(ABC):
    """The training objective of a denoiser.

    Attributes:
        signal, noise: the scalings of `x_0` and `e` at each time of the schedule.
        weight: of each draw's loss.
    """

    predicts: ClassVar[str]  # by the name that the diffusers library has for it
    signal: Float[Tensor, " times"]
    noise: Float[Tensor, " times"]
    weight: LossWeight = UNIFORM

    @property
    def fingerprint(self) -> str:
        """Names the loss: what is predicted, and each draw's weight."""
        return f"{self.predicts} {self.weight.name}"

    def noisy(self, batch: Batch) -> Float[Tensor, "n c h w"]:
        """What the denoiser is given."""
        return at(self.signal, batch.times) * batch.latents + at(self.noise, batch.times) * batch.noise

    def denoiser_times(self, times: Int[Tensor, " n"]) -> Int[Tensor, " n"] | Float[Tensor, " n"]:
        """What the denoiser is told of the time: the place in the schedule, if it was trained so."""
        return times

    @abstractmethod
    def target(self, batch: Batch) -> Float[Tensor, "n c h w"]:
        """What the denoiser should predict."""

    @abstractmethod
    def noise_error(self) -> Float[Tensor, " times"]:
        """The squared error of the noise for each unit of squared error of what is predicted."""

    def squared_errors(
        self, prediction: Float[Tensor, "n c h w"], batch: Batch
    ) -> Float[Tensor, "n c h w"]:
        """The unreduced loss of each draw, weighed as in training."""
        return self.weight.applied((prediction - self.target(batch)).square(), batch.times)

    def squared_change(
        self, one: Float[Tensor, "n c h w"], other: Float[Tensor, "n c h w"], batch: Batch
    ) -> Float[Tensor, "n c h w"]:
        """How far apart two predictions of each draw lie: the loss of one, were the other the truth."""
        return self.weight.applied((one - other).square(), batch.times)


class Epsilon(Parametrisation):
    """The noise."""

    predicts = "epsilon"

    def target(self, batch: Batch) -> Float[Tensor, "n c h w"]:
        return batch.noise

    def noise_error(self) -> Float[Tensor, " times"]:
        return torch.ones_like(self.signal)


class Velocity(Parametrisation):
    """How the noisy latent turns from signal to noise."""

    predicts = "v_prediction"

    def target(self, batch: Batch) -> Float[Tensor, "n c h w"]:
        signal, noise = at(self.signal, batch.times), at(self.noise, batch.times)
        return signal * batch.noise - noise * batch.latents

    def noise_error(self) -> Float[Tensor, " times"]:
        return self.signal.square()  # e = signal v + noise x_t


class Flow(Parametrisation):
    """The straight line from picture to noise."""

    predicts = "flow"

    def denoiser_times(self, times: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
        """How much noise there is, in units of the schedule's length; a shifted schedule is not even."""
        return self.noise[times] * len(self.noise)

    def target(self, batch: Batch) -> Float[Tensor, "n c h w"]:
        return batch.noise - batch.latents

    def noise_error(self) -> Float[Tensor, " times"]:
        return self.signal.square()  # e = x_t + signal u


PREDICTIONS: dict[str, type[Parametrisation]] = {each.predicts: each for each in (Epsilon, Velocity)}


def at(table: Float[Tensor, " times"], times: Int[Tensor, " n"]) -> Float[Tensor, "n 1 1 1"]:
    """A table's value at each draw's time, ready to scale its latent."""
    return table[times][:, None, None, None]


def parametrisation_of(scheduler: Any, device: torch.device, source: str | Path) -> Parametrisation:
    """Read off a scheduler of the diffusers library, which came with the model at `source`.

    Raises:
        ModelError: the denoiser predicts something else, or the noise where there is nothing else.
    """
    if not hasattr(scheduler, "alphas_cumprod"):  # of flow matching, from much noise to little
        noise = scheduler.sigmas.flip(0).double()
        return Flow((1 - noise).float().to(device), noise.float().to(device))
    predicted = str(scheduler.config.prediction_type)
    if predicted not in PREDICTIONS:
        raise ModelError(f"{source} predicts {predicted!r}: only {' and '.join(PREDICTIONS)} are read")
    variance = signal_variance(scheduler)
    if predicted == Epsilon.predicts and variance[-1] == 0:
        raise ModelError(
            f"{source} ends its schedule in pure noise (rescale_betas_zero_snr), where a denoiser that "
            "predicts epsilon says nothing of the picture: write into scheduler/scheduler_config.json what "
            'it was trained with, "prediction_type": "v_prediction" or "rescale_betas_zero_snr": false'
        )
    return PREDICTIONS[predicted](
        variance.sqrt().float().to(device), (1 - variance).sqrt().float().to(device)
    )


def signal_variance(scheduler: Any) -> Float64[Tensor, " times"]:
    """Return `signal^2` at each time of a scheduler of the diffusers library (its `alphas_cumprod`).

    Where a schedule is rescaled to end in pure noise it is 0 there; some samplers put 2^-24 in its place.
    """
    variance: Tensor = scheduler.alphas_cumprod.double().clone()
    if scheduler.config.get("rescale_betas_zero_snr"):
        variance[-1] = 0
    return variance

"""Laws of what a denoiser predicts and how its losses are formed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from diffusers import DDPMScheduler, FlowMatchEulerDiscreteScheduler
from torch import Tensor

from attribution.errors import ModelError
from attribution.models.batch import Batch, Conditioning
from attribution.models.parametrisation import (
    Epsilon,
    LossWeight,
    Parametrisation,
    Velocity,
    at,
    parametrisation_of,
)

CPU = torch.device("cpu")
TIMES = torch.tensor([0, 40, 500, 999])


@pytest.fixture
def batch() -> Batch:
    rng = torch.Generator().manual_seed(0)
    latents, noise = torch.randn(2, 4, 3, 2, 2, generator=rng, dtype=torch.float64)
    return Batch(latents, Conditioning(torch.zeros(4, 1, 1)), noise, TIMES)


def diffusion(kind: type[Parametrisation], weight: LossWeight | None = None) -> Parametrisation:
    variance = DDPMScheduler().alphas_cumprod.double()
    return kind(variance.sqrt(), (1 - variance).sqrt(), weight or LossWeight())


def flow(shift: float = 1.0) -> Parametrisation:
    return parametrisation_of(FlowMatchEulerDiscreteScheduler(shift=shift), CPU, "model")


# What a denoiser that knows the picture makes of a noisy latent `x`: (x, x_0, signal, noise) => prediction.
Oracle = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
PERFECT: list[tuple[Parametrisation, Oracle]] = [
    (diffusion(Epsilon), lambda x, x0, signal, noise: (x - signal * x0) / noise),
    (diffusion(Velocity), lambda x, x0, signal, noise: (signal * x - x0) / noise),
    (flow(), lambda x, x0, signal, noise: (x - x0) / noise),
    (flow(3.0), lambda x, x0, signal, noise: (x - x0) / noise),
]


@pytest.mark.parametrize(("parametrisation", "oracle"), PERFECT)
def test_a_perfect_predictor_has_loss_zero(
    parametrisation: Parametrisation, oracle: Oracle, batch: Batch
) -> None:
    signal, noise = (at(table, TIMES).double() for table in (parametrisation.signal, parametrisation.noise))
    prediction = oracle(parametrisation.noisy(batch), batch.latents, signal, noise)
    errors = parametrisation.squared_errors(prediction, batch)
    torch.testing.assert_close(errors, torch.zeros_like(errors), rtol=0, atol=1e-8)
    assert parametrisation.squared_errors(prediction + 1, batch).mean() > 0.9


def test_losses_of_noise_and_velocity_differ_by_the_signals_square(batch: Batch) -> None:
    """A velocity says which noise it takes there to be, and is wrong by less where there is less signal."""
    epsilon, velocity = diffusion(Epsilon), diffusion(Velocity)
    predicted = torch.randn_like(batch.latents)
    signal, noise = at(epsilon.signal, TIMES), at(epsilon.noise, TIMES)
    as_noise = signal * predicted + noise * velocity.noisy(batch)
    torch.testing.assert_close(
        epsilon.squared_errors(as_noise, batch), signal**2 * velocity.squared_errors(predicted, batch)
    )


def test_losses_of_noise_and_flow_differ_by_the_signals_square(batch: Batch) -> None:
    straight = flow()
    epsilon = Epsilon(straight.signal, straight.noise)
    predicted = torch.randn_like(batch.latents)
    signal = at(straight.signal, TIMES)
    as_noise = straight.noisy(batch) + signal * predicted
    torch.testing.assert_close(
        epsilon.squared_errors(as_noise, batch),
        signal**2 * straight.squared_errors(predicted, batch),
        rtol=1e-4,
        atol=1e-6,
    )


def test_the_training_weight_scales_each_draws_loss_and_a_uniform_one_nothing(batch: Batch) -> None:
    table = torch.linspace(2, 0.5, 1000, dtype=torch.float64)
    plain, weighted = diffusion(Velocity), diffusion(Velocity, LossWeight("some", table))
    predicted = torch.randn_like(batch.latents)
    unweighted = (predicted - plain.target(batch)).square()
    assert torch.equal(plain.squared_errors(predicted, batch), unweighted)
    assert torch.equal(weighted.squared_errors(predicted, batch), unweighted * at(table, TIMES))


def test_a_flow_is_told_how_much_noise_there_is_and_diffusion_its_place_in_the_schedule() -> None:
    assert torch.equal(diffusion(Velocity).denoiser_times(TIMES), TIMES)
    for shift in (1.0, 3.0):
        scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
        told = flow(shift).denoiser_times(TIMES)
        torch.testing.assert_close(told, scheduler.timesteps.flip(0)[TIMES])


def test_a_model_that_predicts_something_else_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match="here predicts 'sample': only epsilon and v_prediction"):
        parametrisation_of(DDPMScheduler(prediction_type="sample"), CPU, "here")

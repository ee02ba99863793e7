"""Laws of unlearning one picture."""

from __future__ import annotations

import pytest
import torch

from attribution.errors import CalibrationError, SettingsError
from attribution.gradients.curvature import Diagonal
from attribution.unlearning import step as unlearning
from tests.worlds.linear_model import LinearModel


def last(steps):  # type: ignore[no-untyped-def]
    *_, final = steps
    return final[1] if isinstance(final, tuple) else final.mean


def test_one_step_equals_the_closed_form_on_a_linear_model() -> None:
    """Law: One unlearning step is the closed form on a linear model."""
    model = LinearModel()
    caption = torch.randn(1, 1, 4, generator=torch.Generator().manual_seed(1))
    draws = unlearning.stratified_draws(model, 8, seed=2, purpose="unlearning")
    latent = torch.zeros(1, *model.latent_shape)
    gradient = last(unlearning.query_gradient(model, latent, caption, draws, batch_size=3))
    fisher = {"w": torch.rand(6, 4, generator=torch.Generator().manual_seed(3)).double()}
    direction = unlearning.ascent_direction(gradient, Diagonal(fisher, 0.1), examples=10)
    stepped = unlearning.stepped(model.weights, direction, alpha=0.5)

    # theta + alpha / N (F + 0.1 mean F)^-1 2/out (W c - mean e) c^T, and antithetic noise has mean 0
    residual = model.weights["w"].double() @ caption[0, 0].double()
    expected_gradient = 2 / 6 * torch.outer(residual, caption[0, 0].double())
    inverse = fisher["w"] + 0.1 * fisher["w"].mean()
    expected = model.weights["w"].double() + 0.5 / 10 * expected_gradient / inverse
    torch.testing.assert_close(stepped["w"].double(), expected, rtol=1e-5, atol=1e-6)


def test_gradient_does_not_depend_on_batch_size() -> None:
    model = LinearModel()
    caption = torch.randn(1, 1, 4, generator=torch.Generator().manual_seed(1))
    latent = torch.zeros(1, *model.latent_shape)
    draws = unlearning.stratified_draws(model, 10, seed=0, purpose="unlearning")
    whole = last(unlearning.query_gradient(model, latent, caption, draws, batch_size=64))
    for batch_size in (1, 3, 7):
        part = last(unlearning.query_gradient(model, latent, caption, draws, batch_size=batch_size))
        torch.testing.assert_close(part["w"], whole["w"])


def test_the_loaded_weights_are_not_changed_by_a_step() -> None:
    model = LinearModel()
    before = model.weights["w"].clone()
    stepped = unlearning.stepped(model.weights, {"w": torch.ones(6, 4)}, 3.0)
    assert torch.equal(model.weights["w"], before)
    assert stepped["w"].data_ptr() != model.weights["w"].data_ptr()


@pytest.mark.parametrize("target", [0.02, 0.10, 0.50])
def test_calibration_reaches_the_rise_it_was_asked_for(target: float) -> None:
    """Law: A calibrated step reaches the loss increase that it was asked for."""
    model = LinearModel()
    caption = torch.randn(1, 1, 4, generator=torch.Generator().manual_seed(1))
    latent = torch.zeros(1, *model.latent_shape)
    held_out = unlearning.stratified_draws(model, 32, seed=0, purpose="calibration")
    draws = unlearning.stratified_draws(model, 32, seed=0, purpose="unlearning")
    direction = last(unlearning.query_gradient(model, latent, caption, draws))
    result = last(unlearning.calibrated_step(model, direction, latent, caption, held_out, target))
    assert abs(result.rise - target) <= unlearning.RISE_TOLERANCE
    measured = unlearning.own_loss(model, result.weights, latent, caption, held_out)
    assert measured == pytest.approx(result.loss_after)


def test_a_rise_that_cannot_be_reached_is_a_named_error() -> None:
    """Law: A loss increase that no step reaches is a named error."""
    model = LinearModel()
    caption = torch.randn(1, 1, 4, generator=torch.Generator().manual_seed(1))
    latent = torch.zeros(1, *model.latent_shape)
    held_out = unlearning.stratified_draws(model, 32, seed=0, purpose="calibration")
    with pytest.raises(CalibrationError, match="gradient is zero"):
        list(unlearning.calibrated_step(model, {"w": torch.zeros(6, 4)}, latent, caption, held_out, 0.1))
    # Weights on an input that the caption never has change nothing, however far they go.
    caption[..., 3] = 0
    across = torch.zeros(6, 4)
    across[:, 3] = 1
    with pytest.raises(CalibrationError, match="no step raised"):
        list(unlearning.calibrated_step(model, {"w": across}, latent, caption, held_out, 0.1))


def test_draws_are_stratified_over_time_and_antithetic() -> None:
    model = LinearModel()
    draws = unlearning.stratified_draws(model, 20, seed=1, purpose="unlearning")
    assert torch.equal(draws.timesteps[::2], draws.timesteps[1::2])
    tenths = (draws.timesteps[::2] // 10).tolist()
    assert sorted(tenths) == list(range(10))  # one in each tenth of 100
    assert {tenth // 5 for tenth in tenths[:2]} == {0, 1}  # the first ones are spread too
    assert torch.equal(draws.noise[::2], -draws.noise[1::2])
    again = unlearning.stratified_draws(model, 20, seed=1, purpose="unlearning")
    assert torch.equal(draws.noise, again.noise)
    held_out = unlearning.stratified_draws(model, 20, seed=1, purpose="calibration")
    assert not torch.equal(draws.noise, held_out.noise)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_draws_that_cannot_be_paired_are_refused(count: int) -> None:
    with pytest.raises(SettingsError):
        unlearning.stratified_draws(LinearModel(), count, seed=0, purpose="unlearning")

"""Laws of how large a step is."""

from __future__ import annotations

import pytest
import torch

from attribution.errors import CalibrationError
from attribution.gradients.draw_gradient import gradient_over_draws
from attribution.models.batch import Conditioning
from attribution.models.draws import stratified_draws
from attribution.models.losses import own_loss
from attribution.unlearning.calibration import RISE_TOLERANCE, calibrated_step
from tests.worlds.linear_model import LinearModel


@pytest.mark.parametrize("target", [0.02, 0.10, 0.50])
def test_calibration_reaches_the_rise_it_was_asked_for(target: float) -> None:
    """Law: A calibrated step reaches the loss increase that it was asked for."""
    model = LinearModel()
    caption = Conditioning(torch.randn(1, 1, 4, generator=torch.Generator().manual_seed(1)))
    latent = torch.zeros(1, *model.latent_shape)
    held_out = stratified_draws(model, 32, seed=0, purpose="calibration").of(latent, caption)
    draws = stratified_draws(model, 32, seed=0, purpose="unlearning")
    *_, gradient = gradient_over_draws(model, draws.of(latent, caption))
    *_, (_, result) = calibrated_step(model, gradient.mean, held_out, target)
    assert result is not None
    assert abs(result.rise - target) <= RISE_TOLERANCE
    measured = own_loss(model, result.weights, held_out)
    assert measured == pytest.approx(result.loss_after)


def test_a_rise_that_cannot_be_reached_is_a_named_error() -> None:
    """Law: A loss increase that no step reaches is a named error."""
    model = LinearModel()
    caption = Conditioning(torch.randn(1, 1, 4, generator=torch.Generator().manual_seed(1)))
    latent = torch.zeros(1, *model.latent_shape)
    held_out = stratified_draws(model, 32, seed=0, purpose="calibration").of(latent, caption)
    with pytest.raises(CalibrationError, match="gradient is zero"):
        list(calibrated_step(model, {"w": torch.zeros(6, 4)}, held_out, 0.1))
    # Weights on an input that the caption never has change nothing, however far they go.
    caption.tokens[..., 3] = 0
    across = torch.zeros(6, 4)
    across[:, 3] = 1
    with pytest.raises(CalibrationError, match="no step raised"):
        list(calibrated_step(model, {"w": across}, held_out, 0.1))

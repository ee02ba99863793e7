"""Laws of unlearning one picture."""

from __future__ import annotations

import torch

from attribution.gradients.curvature import Diagonal
from attribution.gradients.draw_gradient import gradient_over_draws
from attribution.models.batch import Conditioning
from attribution.models.draws import stratified_draws
from attribution.unlearning import step as unlearning
from tests.worlds.linear_model import LinearModel


def test_one_step_equals_the_closed_form_on_a_linear_model() -> None:
    """Law: One unlearning step is the closed form on a linear model."""
    model = LinearModel()
    caption = Conditioning(torch.randn(1, 1, 4, generator=torch.Generator().manual_seed(1)))
    draws = stratified_draws(model, 8, seed=2, purpose="unlearning")
    latent = torch.zeros(1, *model.latent_shape)
    *_, whole = gradient_over_draws(model, draws.of(latent, caption), batch_size=3)
    fisher = {"w": torch.rand(6, 4, generator=torch.Generator().manual_seed(3)).double()}
    direction = unlearning.ascent_direction(whole.mean, Diagonal(fisher, 0.1), examples=10)
    stepped = unlearning.stepped(model.weights, direction, alpha=0.5)

    # theta + alpha / N (F + 0.1 mean F)^-1 2/out (W c - mean e) c^T, and antithetic noise has mean 0
    residual = model.weights["w"].double() @ caption.tokens[0, 0].double()
    expected_gradient = 2 / 6 * torch.outer(residual, caption.tokens[0, 0].double())
    inverse = fisher["w"] + 0.1 * fisher["w"].mean()
    expected = model.weights["w"].double() + 0.5 / 10 * expected_gradient / inverse
    torch.testing.assert_close(stepped["w"].double(), expected, rtol=1e-5, atol=1e-6)


def test_the_loaded_weights_are_not_changed_by_a_step() -> None:
    model = LinearModel()
    before = model.weights["w"].clone()
    stepped = unlearning.stepped(model.weights, {"w": torch.ones(6, 4)}, 3.0)
    assert torch.equal(model.weights["w"], before)
    assert stepped["w"].data_ptr() != model.weights["w"].data_ptr()

"""Laws of the gradient over draws of one picture."""

from __future__ import annotations

import torch

from attribution.gradients.draw_gradient import gradient_over_draws
from attribution.models.batch import Conditioning
from attribution.models.draws import stratified_draws
from tests.worlds.linear_model import LinearModel


def test_gradient_does_not_depend_on_batch_size() -> None:
    model = LinearModel()
    caption = Conditioning(torch.randn(1, 1, 4, generator=torch.Generator().manual_seed(1)))
    latent = torch.zeros(1, *model.latent_shape)
    draws = stratified_draws(model, 10, seed=0, purpose="unlearning")
    *_, whole = gradient_over_draws(model, draws.of(latent, caption), batch_size=64)
    for batch_size in (1, 3, 7):
        *_, part = gradient_over_draws(model, draws.of(latent, caption), batch_size=batch_size)
        torch.testing.assert_close(part.mean["w"], whole.mean["w"])

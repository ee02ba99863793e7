"""Laws of mirrored ascent, against torch's own Adam on the loss written out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from attribution.errors import NonFiniteError
from attribution.models.batch import Batch, Conditioning
from attribution.unlearning.mirrored import mirrored_ascent, mirrored_gradient, null_losses
from tests.worlds.linear_model import LinearModel


def draws(model: LinearModel, count: int = 8) -> Callable[[int], Batch]:
    def of(step: int) -> Batch:
        rng = torch.Generator().manual_seed(step)
        tokens = torch.ones(count, 1, model.weights["w"].shape[1])
        noise = torch.randn(count, *model.latent_shape, generator=rng)
        return Batch(torch.zeros_like(noise), Conditioning(tokens), noise, torch.zeros(count).long())

    return of


def small(share: float = 0.01) -> LinearModel:
    """A model that knows something: its losses lie about the null loss, on either side."""
    model = LinearModel()
    model.weights = {"w": share * model.weights["w"]}
    return model


def plain_mirrored_loss(weight: Tensor, model: LinearModel, batch: Batch) -> Tensor:
    """The mean of |L_0 - L|, as it is said."""
    losses = model.squared_errors({"w": weight}, batch).mean(dim=(1, 2, 3))
    return (batch.noise.square().mean(dim=(1, 2, 3)) - losses).abs().mean()


def test_the_gradient_is_that_of_the_distance_from_the_null_loss() -> None:
    model = small()
    batch = draws(model)(0)
    weight = model.weights["w"].clone().requires_grad_()
    loss = plain_mirrored_loss(weight, model, batch)
    (slow,) = torch.autograd.grad(loss, weight)
    _, mirrored, gradient = mirrored_gradient(model, model.weights, batch)
    assert mirrored == pytest.approx(loss.item(), rel=1e-5)
    torch.testing.assert_close(gradient["w"], slow, rtol=1e-4, atol=1e-7)


def test_a_run_is_torchs_adam_on_the_mirrored_loss() -> None:
    """Law: Mirrored ascent is Adam on the distance of each draw's loss from the null loss."""
    model, of = small(), draws(small())
    weight = model.weights["w"].clone().requires_grad_()
    rate = 0.05 * float(model.weights["w"].square().mean().sqrt())
    adam = torch.optim.Adam([weight], lr=rate)
    for step, stood in enumerate(mirrored_ascent(model, of, 12, 0.05)):
        adam.zero_grad()
        plain_mirrored_loss(weight, model, of(step)).backward()  # type: ignore[no-untyped-call]
        adam.step()
        torch.testing.assert_close(stood.weights["w"], weight.detach(), rtol=1e-4, atol=1e-7)


def test_the_null_loss_is_that_of_predicting_nothing() -> None:
    model = LinearModel()
    batch = draws(model)(3)
    model.weights = {"w": torch.zeros_like(model.weights["w"])}
    losses, _ = model.loss_and_factors(model.weights, batch)
    torch.testing.assert_close(null_losses(model, batch), losses)


def test_it_is_bounded_where_plain_ascent_is_not() -> None:
    """Law: Mirrored ascent raises a loss towards the null loss, and not beyond it for long."""
    model = LinearModel()
    tokens = Conditioning(torch.ones(4, 1, model.weights["w"].shape[1]))
    noise = torch.randn(4, *model.latent_shape, generator=torch.Generator().manual_seed(0))
    noise = noise[:1].expand(4, -1, -1, -1)  # one picture, which the model knows almost by heart
    batch = Batch(torch.zeros_like(noise), tokens, noise, torch.zeros(4).long())
    known = 0.95 * noise[0, 0, 0][:, None] / tokens.tokens.shape[-1] * torch.ones_like(model.weights["w"])
    model.weights = {"w": known}
    null = float(null_losses(model, batch).mean())
    stands = list(mirrored_ascent(model, lambda _: batch, 1500, 0.01))
    assert stands[1].loss < 0.01 * null
    assert max(stood.loss for stood in stands) < 1.5 * null
    assert stands[-1].loss == pytest.approx(null, rel=0.1)


def test_the_loaded_weights_are_unchanged_and_every_step_is_a_value() -> None:
    model = small()
    before = model.weights["w"].clone()
    one, two, *_ = list(mirrored_ascent(model, draws(model), 3, 0.05))
    assert torch.equal(model.weights["w"], before)
    assert not torch.equal(one.weights["w"], two.weights["w"])


def test_a_loss_that_is_not_finite_is_a_named_error() -> None:
    model = small()
    batch = draws(model)(0)
    broken = dataclasses.replace(batch, noise=batch.noise * float("inf"))
    with pytest.raises(NonFiniteError, match="smaller steps"):
        list(mirrored_ascent(model, lambda _: broken, 1, 0.05))

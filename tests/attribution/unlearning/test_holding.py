"""Laws of unlearning a box while the rest of the picture is held."""

from __future__ import annotations

import weakref
from dataclasses import replace

import pytest
import torch

from attribution.errors import SettingsError
from attribution.gradients.curvature import Diagonal
from attribution.gradients.query_context import QueryContext
from attribution.methods.abu import AbUOptions
from attribution.methods.divergence import Divergence, DivergenceOptions
from attribution.models.base import Factors
from attribution.models.draws import stratified_draws
from attribution.models.losses import own_loss
from attribution.query import Box, Settings
from attribution.results import returned
from attribution.unlearning.holding import SLACK, gradients_outside, held
from attribution.unlearning.step import Unlearned
from attribution.workspace.workspace import Workspace
from tests.worlds.queries import query_of

HALF = Box(0.5, 0.0, 1.0, 1.0)
FREE = DivergenceOptions(draws=32, calibration_draws=16, held=0)


def asked(workspace: Workspace, options: DivergenceOptions, box: Box | None = HALF) -> QueryContext:
    settings = Settings(batch_size=16, options={"divergence": options})
    return QueryContext(workspace, query_of(workspace, box=box), settings)


def unlearned(workspace: Workspace, options: DivergenceOptions, box: Box | None = HALF) -> Unlearned:
    return returned(Divergence().unlearn(asked(workspace, options, box)))


def test_the_step_is_the_natural_gradient_in_a_curvature_that_has_the_outside() -> None:
    """Law: Holding the outside is a natural gradient step in the curvature with the outside added."""
    torch.manual_seed(0)
    out, width, draws = 3, 4, 5
    fisher, damping = torch.rand(out, width).double() + 0.1, 0.2
    curvature = Diagonal({"w": fisher}, damping)
    inside, outside = torch.randn(out, width).double(), torch.randn(draws, out, width).double()
    step = curvature.inverse(held({"w": inside}, {"w": lambda: outside}, curvature))["w"]
    damped = torch.diag((fisher + damping * fisher.mean()).flatten())
    rows = outside.flatten(1)
    slack = SLACK * (rows @ torch.linalg.inv(damped) @ rows.T).diagonal().mean()
    exact = torch.linalg.solve(damped + rows.T @ rows / slack, inside.flatten())
    torch.testing.assert_close(step.flatten(), exact)


def test_the_outside_moves_less_and_the_box_as_much(tiny_world: Workspace) -> None:
    """Law: To first order, unlearning a box as far hardly moves the losses outside of it that are held."""
    context, model = asked(tiny_world, FREE), tiny_world.model
    assert context.mask is not None
    batch = stratified_draws(model, 16, context.settings.seed, "holding")
    outside = gradients_outside(model, batch.of(context.latent, context.conditioning), context.mask, 16)
    moved = {}
    for count in (0, 16):
        found = unlearned(tiny_world, replace(FREE, held=count))
        assert found.rise == pytest.approx(0.1, abs=0.011)
        changes = sum(
            (outside[name]() * (found.weights[name] - weight)).flatten(1).sum(dim=1)
            for name, weight in model.weights.items()
        )
        assert isinstance(changes, torch.Tensor)
        moved[count] = float(changes.norm())
    assert moved[16] < 0.2 * moved[0]


def test_gradients_outside_are_of_the_loss_outside(tiny_world: Workspace) -> None:
    context, model = asked(tiny_world, FREE), tiny_world.model
    assert context.mask is not None
    batch = stratified_draws(model, 4, 0, "test").of(context.latent, context.conditioning)
    each = {key: form() for key, form in gradients_outside(model, batch, context.mask, 3).items()}
    name = next(iter(each))
    assert each[name].shape == (4, *model.weights[name].shape)
    push = {key: 1e-3 * value.mean(dim=0) / value.mean(dim=0).norm() for key, value in each.items()}
    before, after = (
        own_loss(model, {k: w + sign * push[k] for k, w in model.weights.items()}, batch, 1 - context.mask)
        for sign in (-1, 1)
    )
    slope = sum(float((each[k].mean(dim=0) * push[k]).sum()) for k in each)
    assert (after - before) / 2 == pytest.approx(slope, rel=0.02)


def test_no_more_than_one_layers_gradients_are_held_at_once(
    tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: Of layers whose gradients' factors are small, one at a time has its gradients in memory."""
    context, model, draws = asked(tiny_world, FREE), tiny_world.model, 4
    assert context.mask is not None
    batch = stratified_draws(model, draws, 0, "test").of(context.latent, context.conditioning)
    torch.manual_seed(0)
    factors = {
        name: Factors(*(torch.randn(draws, 1, side) for side in weight.shape))
        for name, weight in model.weights.items()
    }
    whole = {name: own.per_draw() for name, own in factors.items()}
    formed, per_draw = weakref.WeakSet[torch.Tensor](), Factors.per_draw

    def watched(own: Factors) -> torch.Tensor:
        gradients = per_draw(own)
        formed.add(gradients)
        assert len(formed) == 1
        return gradients

    monkeypatch.setattr(Factors, "per_draw", watched)
    monkeypatch.setattr(model, "loss_and_factors", lambda *_: (torch.zeros(draws), factors))
    outside = gradients_outside(model, batch, context.mask, draws)
    curvature = Diagonal({name: weight.double().square() for name, weight in model.weights.items()}, 0.1)
    found = held(model.weights, outside, curvature)
    kept = held(model.weights, {name: lambda name=name: whole[name] for name in whole}, curvature)  # type: ignore[misc]
    assert all(torch.equal(found[name], kept[name]) for name in whole)


def test_a_whole_picture_has_no_outside(tiny_world: Workspace) -> None:
    """Law: Asked about a whole picture, or a box that is all of it, nothing is held."""
    everything = Box(0.0, 0.0, 1.0, 1.0)
    for box in (None, everything):
        one, other = (unlearned(tiny_world, replace(FREE, held=count), box) for count in (0, 16))
        assert one.alpha == other.alpha


def test_the_published_methods_hold_nothing() -> None:
    assert AbUOptions().held == 0
    assert DivergenceOptions().held == 32
    with pytest.raises(SettingsError, match="held"):
        DivergenceOptions(held=3)

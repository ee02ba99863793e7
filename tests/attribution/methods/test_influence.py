"""Laws of the influence function in full, on the tiny world."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from attribution.engine import attribute
from attribution.errors import SettingsError
from attribution.gradients.per_example import example_gradients, gradient_factors, product_sweep
from attribution.gradients.query_context import QueryContext
from attribution.gradients.stored import EKFAC, damped_curvature
from attribution.methods.influence import InfluenceOptions
from attribution.models.base import open_model
from attribution.models.draws import Probe, probe_draws
from attribution.models.losses import example_losses
from attribution.query import Settings
from attribution.results import Attribution, Ranking
from attribution.rng import gaussian
from attribution.unlearning.calibration import linear_step
from attribution.unlearning.racing import mean_and_error
from attribution.unlearning.step import ascent_direction, stepped
from attribution.workspace.baseline import training_latents
from attribution.workspace.workspace import Workspace
from tests.worlds.queries import query_of
from tests.worlds.settings import quick

QUICK = quick({"draws": 32}, batch_size=32, effort="exhaustive")


def asked(workspace: Workspace, settings: Settings, *names: str) -> Attribution:
    *_, answer = attribute(workspace, query_of(workspace), names or ("influence",), settings)
    assert isinstance(answer, Attribution)
    return answer


def by_row(ranking: Ranking, values: np.ndarray | None = None) -> np.ndarray:
    order = np.argsort(ranking.rows)
    return (ranking.scores if values is None else values)[order]


def test_each_draws_product_is_that_of_its_whole_gradient(tiny_world: Workspace) -> None:
    """Law: A draw's inner product is that of its gradient formed in full."""
    model, rows, probe = tiny_world.model, [2, 9], tiny_world.probe
    ids = [tiny_world.training_set.ids[row] for row in rows]
    latents = training_latents(tiny_world, rows)
    captions = model.encode_captions([tiny_world.training_set.captions[row] for row in rows])
    rng = torch.Generator().manual_seed(1)
    direction = {name: torch.randn(w.shape, generator=rng) for name, w in model.weights.items()}
    *_, (done, products) = product_sweep(model, direction, latents, captions, ids, probe, range(2, 4), 7)
    assert done == products.size
    for draws in probe_draws(probe, range(2, 4), ids, model.latent_shape, 1):
        _, factors = model.loss_and_factors(model.weights, draws.of(latents, captions))
        slow = sum(float((f.per_draw()[0].double() * direction[name]).sum()) for name, f in factors.items())
        assert products.reshape(-1)[draws.numbers[0]] == pytest.approx(slow, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("layers", ["all-linear", "cross-attention"])
def test_layers_that_read_more_than_captions_are_taken_draw_by_draw(
    foreign_pipeline: Path, layers: str
) -> None:
    """Law: The influence function is exact whatever the layers read."""
    model, ids, probe = open_model(foreign_pipeline, layers=layers), ["a", "b"], Probe((150, 700), noises=2)
    latents = torch.stack([gaussian(0, "latents", name, 0, model.latent_shape) for name in ids])
    captions = model.encode_captions(["a red square", "a blue bar"])
    (gradients,) = example_gradients(model, latents, captions, ids, probe)
    direction = {name: g[0].float() for name, g in gradients.items()}
    *_, (_, products) = product_sweep(model, direction, latents, captions, ids, probe, range(2), 3)
    slow = sum((g * direction[name]).sum(dim=(1, 2)) for name, g in gradients.items())
    assert isinstance(slow, torch.Tensor)
    np.testing.assert_allclose(products.mean(axis=(1, 2)), slow.numpy(), rtol=1e-4)


@pytest.mark.slow
def test_scores_are_first_orders_without_the_sketch(tiny_world: Workspace) -> None:
    """Law: The influence function is first order without its sketch."""
    answer = asked(tiny_world, QUICK, "influence", "first-order").rankings
    exact, sketched = answer["influence"], answer["first-order"]
    assert exact.details["alpha"] == pytest.approx(sketched.details["alpha"], rel=1e-4)
    assert sketched.stderr is not None
    z = (by_row(exact) - by_row(sketched)) / by_row(sketched, sketched.stderr)
    assert np.abs(z).max() < 5
    assert 0.2 < np.sqrt((z**2).mean()) < 2


def test_scores_are_those_of_exact_gradients_and_errors_those_of_the_noise(tiny_world: Workspace) -> None:
    ids = tiny_world.training_set.ids[:6]
    ranking = asked(tiny_world, dataclasses.replace(QUICK, candidates=ids)).rankings["influence"]
    gradient = QueryContext(tiny_world, query_of(tiny_world), QUICK).gradient(32)
    direction = damped_curvature(tiny_world, EKFAC.name, 0.1).inverse(gradient.mean)
    model = tiny_world.model
    captions = model.encode_captions(tiny_world.training_set.captions[:6])
    latents = training_latents(tiny_world, range(6))
    factors = gradient_factors(model, latents, captions, ids, tiny_world.probe)
    products = sum((f.per_draw().double() * direction[n]).sum(dim=(1, 2)) for n, f in factors.items())
    own = sum(float((g.double() * direction[name]).sum()) for name, g in gradient.mean.items())
    assert isinstance(products, torch.Tensor)
    slow = 0.1 * gradient.loss / own * products.numpy()
    np.testing.assert_allclose(by_row(ranking), slow, rtol=1e-3, atol=1e-3 * np.abs(slow).max())
    assert ranking.stderr is not None
    assert (ranking.stderr > 0).all()


def test_abu_plus_tends_to_it_as_the_step_shrinks(tiny_world: Workspace) -> None:
    """Law: AbU+ tends to the influence function as its step shrinks."""
    rows, model, training_set = np.arange(8), tiny_world.model, tiny_world.training_set
    ids = [training_set.ids[row] for row in rows]
    captions = model.encode_captions([training_set.captions[row] for row in rows])
    latents = training_latents(tiny_world, rows)
    gradient = QueryContext(tiny_world, query_of(tiny_world), QUICK).gradient(32)
    direction = ascent_direction(
        gradient.mean, damped_curvature(tiny_world, EKFAC.name, 0.1), len(training_set)
    )
    given = model, latents, captions, ids, tiny_world.probe
    before = example_losses(given[0], model.weights, *given[1:]).astype(np.float64)
    errors = []
    for rise in (2e-3, 5e-4):
        settings = quick({"draws": 32, "target_rise": rise}, effort="exhaustive", candidates=tuple(ids))
        expected = by_row(asked(tiny_world, settings).rankings["influence"])
        weights = stepped(model.weights, direction, linear_step(gradient, direction, rise))
        after = example_losses(given[0], weights, *given[1:]).astype(np.float64)
        errors.append(np.abs(mean_and_error(after - before)[0] - expected).max() / np.abs(expected).max())
    assert errors[1] < 0.03
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)  # linear in the step


def test_the_most_promising_are_raced_within_the_budget(tiny_world: Workspace) -> None:
    settings = dataclasses.replace(QUICK, effort="refined", budget=1200, top_k=3)
    ranking = asked(tiny_world, settings).rankings["influence"]
    assert ranking.details["draws"] <= 1200
    assert 6 <= len(ranking) < len(tiny_world.training_set)


def test_a_score_does_not_depend_on_batch_size_or_company(tiny_world: Workspace) -> None:
    ids = tiny_world.training_set.ids
    few = dataclasses.replace(QUICK, candidates=(ids[9], ids[2]), batch_size=5)
    many = dataclasses.replace(QUICK, candidates=ids[:12])
    a, b = (asked(tiny_world, settings).rankings["influence"] for settings in (few, many))
    scores = {entry.id: entry.score for entry in b.entries}
    for entry in a.entries:
        assert scores[entry.id] == pytest.approx(entry.score, rel=1e-3, abs=1e-7)


def test_damping_below_zero_is_refused() -> None:
    with pytest.raises(SettingsError, match="damping"):
        InfluenceOptions(damping=-1)

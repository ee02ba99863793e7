"""Laws of unlearning measured by predictions, on the tiny world."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from attribution.engine import attribute
from attribution.errors import NonFiniteError, SettingsError
from attribution.gradients.query_context import QueryContext
from attribution.methods.divergence import Divergence, DivergenceOptions
from attribution.models.base import Weights
from attribution.models.batch import Batch
from attribution.query import Box, Settings
from attribution.results import Attribution, Ranking, returned
from attribution.rng import gaussian
from attribution.unlearning.movement import Moved, spread
from attribution.unlearning.step import Unlearned
from attribution.workspace.baseline import LOSSES, mean_losses, training_latents
from attribution.workspace.workspace import Workspace
from tests.worlds.queries import query_of

QUICK = Settings(
    candidates=10,
    batch_size=32,
    effort="exhaustive",
    options={"divergence": DivergenceOptions(draws=16, calibration_draws=8)},
)
BOXES = [None, Box(0.5, 0.25, 1.0, 0.75)]


def ranked(workspace: Workspace, settings: Settings = QUICK, box: Box | None = None) -> Ranking:
    *_, answer = attribute(workspace, query_of(workspace, box=box), ["divergence"], settings)
    assert isinstance(answer, Attribution)
    return answer.rankings["divergence"]


def unlearned(workspace: Workspace, box: Box | None = None) -> Unlearned:
    context = QueryContext(workspace, query_of(workspace, box=box), QUICK)
    return returned(Divergence().unlearn(context))


def changes(workspace: Workspace, weights: Weights, rows: list[int], batch_size: int = 32) -> np.ndarray:
    images = Moved("divergence", workspace, weights, workspace.probe, batch_size)
    return returned(images.changes(np.array(rows), range(1), "measuring"))


@pytest.mark.parametrize("box", BOXES)
def test_scores_are_how_far_predictions_moved_draw_by_draw(tiny_world: Workspace, box: Box | None) -> None:
    """Law: The divergence's scores are the mean weighed squared change of predictions on the same noise."""
    ranking, model, training_set = ranked(tiny_world, box=box), tiny_world.model, tiny_world.training_set
    after, probe = unlearned(tiny_world, box).weights, spread(tiny_world.probe, 2)
    weight = model.parametrisation.weight.table
    assert weight is not None
    assert len(probe.timesteps) == 2
    for row, score in zip(ranking.rows.tolist(), ranking.scores, strict=True):
        latent, example = training_latents(tiny_world, np.array([row])), training_set.examples[row]
        caption, moved = model.encode_captions([example.caption]), []
        for place, t in enumerate(probe.timesteps):
            for k in range(probe.noises):
                noise = gaussian(probe.seed, "losses", example.id, k * 2 + place, model.latent_shape)
                draw = Batch(latent, caption, noise[None], torch.tensor([t]))
                one, other = (model.predict(weights, draw).double() for weights in (after, model.weights))
                moved.append(float(weight[t]) * float((one - other).square().mean()))
        assert score == pytest.approx(np.mean(moved), rel=1e-4)
        assert score > 0


def test_a_rise_is_the_divergence_and_twice_the_change_times_the_error(tiny_world: Workspace) -> None:
    """Law: A rise is the divergence and twice the product of the change with the error before."""
    model, after = tiny_world.model, unlearned(tiny_world).weights
    latents = training_latents(tiny_world, np.arange(4))
    captions = model.encode_captions(tiny_world.training_set.captions[:4])
    draw = Batch(latents, captions, torch.randn_like(latents), torch.tensor([50, 350, 650, 950]))
    one, other = model.predict(after, draw), model.predict(model.weights, draw)
    change = model.parametrisation.squared_change(one, other, draw).mean(dim=(1, 2, 3))
    product = 2 * (one - other) * (other - model.parametrisation.target(draw))
    product = model.parametrisation.weight.applied(product, draw.times).mean(dim=(1, 2, 3))
    rise = (model.squared_errors(after, draw) - model.squared_errors(model.weights, draw)).mean((1, 2, 3))
    torch.testing.assert_close(rise, change + product, rtol=1e-3, atol=1e-6)


def test_the_map_of_an_image_is_of_what_it_is_scored_by(tiny_world: Workspace) -> None:
    everywhere = {"divergence": DivergenceOptions(draws=16, calibration_draws=8, timesteps=10)}
    settings = dataclasses.replace(QUICK, options=everywhere)
    best = ranked(tiny_world, settings).entries[0]
    found = Divergence().loss_map(QueryContext(tiny_world, query_of(tiny_world), settings), best.row)
    assert found is not None
    assert found.cells.min() > 0
    assert found.cells.mean() == pytest.approx(best.score, rel=1e-3)


@pytest.mark.parametrize("batch_size", [1, 7])
def test_a_score_does_not_depend_on_batch_size(tiny_world: Workspace, batch_size: int) -> None:
    weights = unlearned(tiny_world).weights
    few, many = (changes(tiny_world, weights, [1, 5, 8], size) for size in (batch_size, 64))
    np.testing.assert_allclose(few, many, rtol=1e-4)


def test_where_no_weight_changed_nothing_moved(tiny_world: Workspace) -> None:
    assert not changes(tiny_world, tiny_world.model.weights, [2]).any()


def test_predictions_that_are_not_finite_are_named(tiny_world: Workspace) -> None:
    broken = {name: weight * torch.nan for name, weight in tiny_world.model.weights.items()}
    with pytest.raises(NonFiniteError, match=tiny_world.training_set.ids[2]):
        changes(tiny_world, broken, [2])


def test_timesteps_are_spread_over_the_workspaces(tiny_world: Workspace) -> None:
    there = tiny_world.probe.timesteps
    assert spread(tiny_world.probe, 1).timesteps == (there[5],)
    assert spread(tiny_world.probe, 2).timesteps == (there[2], there[7])
    assert spread(tiny_world.probe, 99).timesteps == there
    with pytest.raises(SettingsError, match="timesteps is 0"):
        DivergenceOptions(timesteps=0)


def test_relative_divergences_are_shares_of_the_losses_before(tiny_world: Workspace) -> None:
    """Law: A relative divergence is the divergence over the mean of the image's own losses before."""
    names, options = ["divergence", "relative-divergence"], QUICK.options["divergence"]
    settings = dataclasses.replace(QUICK, options=dict.fromkeys(names, options))
    *_, answer = attribute(tiny_world, query_of(tiny_world), names, settings)
    assert isinstance(answer, Attribution)
    plain, relative = (
        {entry.row: entry.score for entry in answer.rankings[name].entries} for name in names
    )
    losses = tiny_world.load(LOSSES).astype(np.float64).mean(axis=(1, 2))
    assert len(plain) == 10
    assert relative == pytest.approx({row: score / losses[row] for row, score in plain.items()})


def test_what_the_model_never_knew_does_not_come_first(tiny_world: Workspace) -> None:
    """Law: Of two images that move alike, the one that the model knows better has the larger share."""
    rows = np.arange(len(tiny_world.training_set))
    context = QueryContext(tiny_world, query_of(tiny_world), QUICK)
    after = unlearned(tiny_world)
    plain, relative = (
        returned(each.measuring(context, after)(tiny_world).worth(rows, range(1), "measuring")).mean(
            axis=(1, 2)
        )
        for each in (Divergence(), Divergence(name="relative-divergence", relative=True))
    )
    order = np.argsort(mean_losses(tiny_world, rows))
    assert (np.diff((relative / plain)[order]) < 0).all()

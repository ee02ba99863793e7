"""Laws of first-order attribution."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from attribution.engine import attribute
from attribution.errors import MismatchError, NonFiniteError
from attribution.gradients.per_example import example_gradients, gradient_factors
from attribution.gradients.projection import sketched_gradients
from attribution.gradients.query_context import QueryContext
from attribution.gradients.stored import GRADIENTS
from attribution.models.base import open_model
from attribution.models.batch import Batch
from attribution.models.draws import probe_draws, stratified_draws
from attribution.models.stable_diffusion import PipelineModel
from attribution.query import Box, Query, Settings
from attribution.results import Attribution, Ranking
from attribution.unlearning import step as unlearning
from attribution.unlearning.calibration import linear_step
from attribution.workspace.baseline import training_latents
from attribution.workspace.workspace import Workspace
from tests.worlds.queries import query_of
from tests.worlds.settings import quick

QUICK = quick({"draws": 32, "calibration_draws": 4}, batch_size=32)


def last(steps):  # type: ignore[no-untyped-def]
    *_, final = steps
    return final


def test_scores_tend_to_the_inner_product_as_the_step_shrinks(tiny_world: Workspace) -> None:
    """Law: Scores tend to the inner product of the gradients, linearly, as the step shrinks.

    (L_i(theta_0 + alpha d) - L_i(theta_0)) / alpha -> <g_i, d>, the error shrinking with alpha.
    """
    model = open_model(tiny_world.source(tiny_world.config.model))
    assert isinstance(model, PipelineModel)
    model.unet.double()  # differences of losses need the digits
    model.weights = {name: weight.double() for name, weight in model.weights.items()}
    rows = [3, 8, 21]
    ids = [tiny_world.training_set.ids[row] for row in rows]
    latents = training_latents(tiny_world, rows).double()
    captions = model.encode_captions([tiny_world.training_set.captions[row] for row in rows]).map(
        torch.Tensor.double
    )
    probe = dataclasses.replace(tiny_world.probe, timesteps=(250, 650))
    factors = gradient_factors(model, latents, captions, ids, probe)
    direction = {name: factor.per_draw()[0] for name, factor in factors.items()}
    inner = np.array(
        [
            sum(float((f.per_draw()[k] * direction[name]).sum()) for name, f in factors.items())
            for k in range(len(rows))
        ]
    )
    before = losses_in_double(model, model.weights, latents, captions, ids, probe)
    errors = []
    for rise in (4e-3, 1e-3):  # of the first image's own loss
        alpha = rise * before[0] / inner[0]
        weights = {name: weight + alpha * direction[name] for name, weight in model.weights.items()}
        after = losses_in_double(model, weights, latents, captions, ids, probe)
        errors.append(np.abs((after - before) / alpha - inner).max() / np.abs(inner).max())
    assert errors[1] < 0.1
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.2)  # linear in alpha


def losses_in_double(model, weights, latents, captions, ids, probe):  # type: ignore[no-untyped-def]
    """Mean losses; `example_losses` keeps single precision."""
    total = np.zeros(len(ids))
    for draws in probe_draws(probe, range(probe.noises), ids, model.latent_shape, 64):
        e = draws.examples
        batch = Batch(latents[e], captions[e], draws.noise.double(), draws.timesteps)
        errors = model.squared_errors(weights, batch)
        np.add.at(total, e.numpy(), errors.mean(dim=(1, 2, 3)).numpy())
    return total / (len(probe.timesteps) * probe.noises)


def test_gradients_do_not_depend_on_batch_size_or_company(tiny_world: Workspace) -> None:
    model, rows = tiny_world.model, [2, 9, 30]
    ids = [tiny_world.training_set.ids[row] for row in rows]
    latents = training_latents(tiny_world, rows)
    captions = model.encode_captions([tiny_world.training_set.captions[row] for row in rows])
    whole = gradient_factors(model, latents, captions, ids, tiny_world.probe, batch_size=64)
    alone = gradient_factors(model, latents[1:2], captions[1:2], ids[1:2], tiny_world.probe, batch_size=7)
    for name in whole:
        torch.testing.assert_close(
            whole[name].per_draw()[1], alone[name].per_draw()[0], rtol=1e-3, atol=1e-7
        )


def test_stored_vectors_are_the_sketches_of_whitened_gradients(tiny_world: Workspace) -> None:
    first_order, rows = tiny_world.load(GRADIENTS), [0, 50]
    model = tiny_world.model
    captions = model.encode_captions([tiny_world.training_set.captions[row] for row in rows])
    ids = [tiny_world.training_set.ids[row] for row in rows]
    groups = example_gradients(model, training_latents(tiny_world, rows), captions, ids, tiny_world.probe)
    vectors = sketched_gradients(groups, first_order.curvature, first_order.sketch).numpy()
    stored = first_order.index.vectors[rows] * first_order.lengths[rows][:, None]
    error = np.linalg.norm(stored - vectors, axis=1) / np.linalg.norm(vectors, axis=1)
    assert error.max() < 0.2  # four bits: a step of 3/7.5 of a standard deviation, and few clipped
    np.testing.assert_allclose(first_order.lengths[rows], np.linalg.norm(vectors, axis=1), rtol=1e-4)


def test_predicted_scores_are_those_of_exact_gradients_within_the_sketchs_error(
    tiny_world: Workspace,
) -> None:
    rows = np.arange(12)
    gradient = last(QueryContext(tiny_world, query_of(tiny_world), QUICK).gradients(32))
    first_order = tiny_world.load(GRADIENTS)
    predicted = first_order.predict(gradient.mean, gradient.loss, 0.1, rows)
    model = tiny_world.model
    captions = model.encode_captions([tiny_world.training_set.captions[row] for row in rows])
    ids = [tiny_world.training_set.ids[row] for row in rows]
    factors = gradient_factors(model, training_latents(tiny_world, rows), captions, ids, tiny_world.probe)
    direction = first_order.curvature.inverse(gradient.mean)
    exact = sum((f.per_draw().double() * direction[name]).sum(dim=(1, 2)) for name, f in factors.items())
    assert isinstance(exact, torch.Tensor)
    exact_scores = predicted.alpha / len(tiny_world.training_set) * exact.numpy()
    z = (predicted.values - exact_scores) / predicted.stderr
    assert np.abs(z).max() < 4
    assert 0.2 < np.sqrt((z**2).mean()) < 2


def test_the_step_is_matched_to_the_querys_own_linear_rise(tiny_world: Workspace) -> None:
    gradient = last(QueryContext(tiny_world, query_of(tiny_world), QUICK).gradients(32))
    first_order = tiny_world.load(GRADIENTS)
    predicted = first_order.predict(gradient.mean, gradient.loss, 0.1, np.arange(2))
    direction = unlearning.ascent_direction(
        gradient.mean, first_order.curvature, len(tiny_world.training_set)
    )
    assert linear_step(gradient, direction, 0.1) == pytest.approx(predicted.alpha, rel=1e-4)
    own = sum(float((g * direction[name]).sum()) for name, g in gradient.mean.items())
    assert predicted.alpha * own == pytest.approx(0.1 * gradient.loss, rel=1e-4)


def test_a_gradient_of_zero_is_a_named_error(tiny_world: Workspace) -> None:
    zero = {name: torch.zeros_like(w) for name, w in tiny_world.model.weights.items()}
    with pytest.raises(NonFiniteError, match="gradient is zero"):
        tiny_world.load(GRADIENTS).predict(zero, 1.0, 0.1, np.arange(2))


def test_a_ranking_is_shown_before_all_draws_are_done_and_settles(tiny_world: Workspace) -> None:
    events = list(attribute(tiny_world, query_of(tiny_world, 6), ["first-order"], quick({"draws": 128})))
    rankings = [event for event in events if isinstance(event, Ranking)]
    assert [ranking.final for ranking in rankings] == [False] * (len(rankings) - 1) + [True]
    assert [ranking.details["gradient_draws"] for ranking in rankings] == [64, 128]
    assert all(len(ranking.entries) == len(tiny_world.training_set) for ranking in rankings)


def test_the_spread_of_another_seed_is_reported_apart_and_is_right(tiny_world: Workspace) -> None:
    """The halves' difference says how far the scores ranked first move from seed to seed."""
    query, told, scores = query_of(tiny_world, 11), [], []
    for seed in range(8):
        settings = quick({"draws": 128}, batch_size=32, seed=seed)
        *_, answer = attribute(tiny_world, query, ["first-order"], settings)
        assert isinstance(answer, Attribution)
        ranking = answer.rankings["first-order"]
        told.append(ranking.details["unlearning_seed_spread"])
        by_row = {entry.row: entry.score for entry in ranking.entries}
        scores.append([by_row[row] for row in range(len(tiny_world.training_set))])
    table = np.array(scores)
    first = np.argsort(-table.mean(axis=0))[: QUICK.top_k]
    moved = np.sqrt(table[:, first].var(axis=0, ddof=1).mean())
    assert 0.3 < np.sqrt(np.mean(np.square(told))) / moved < 3


def test_a_gradient_is_computed_once_and_only_the_last_few_are_kept(
    tiny_world: Workspace,
) -> None:
    workspace = Workspace(tiny_world.folder, tiny_world.config, "cpu", tiny_world.model)
    remembered = workspace.cache("query gradients", 2)
    settings = dataclasses.replace(QUICK, seed=991)

    def gradients(query: Query, settings: Settings) -> list[QueryGradient]:
        return list(QueryContext(workspace, query, settings).gradients(32))

    first = gradients(query_of(tiny_world, 7), settings)
    again = gradients(query_of(tiny_world, 7), settings)
    assert len(again) == 1
    assert again[0] is first[-1]
    boxed = query_of(tiny_world, 7, Box(0, 0, 0.5, 0.5))
    assert gradients(boxed, settings)[-1].loss != first[-1].loss
    other_seed = gradients(query_of(tiny_world, 7), QUICK)[-1]
    assert other_seed.loss != first[-1].loss
    assert len(remembered) == 2


def test_draws_of_any_first_part_are_spread_over_the_schedule(tiny_world: Workspace) -> None:
    context = QueryContext(tiny_world, query_of(tiny_world), QUICK)
    draws = stratified_draws(tiny_world.model, 64, 0, "unlearning")
    for part in (8, 16, 32):
        sixths = {int(t) * 4 // 1000 for t in draws.timesteps[:part]}
        assert sixths == {0, 1, 2, 3}
    assert context.mask is None
    assert len(context.latent) == len(context.conditioning) == 1


def test_gradients_of_another_curvature_are_refused(foreign_copy) -> None:  # type: ignore[no-untyped-def]
    from precompute.__main__ import main as precompute

    workspace = str(foreign_copy.workspace)
    assert precompute(["kfac", "--workspace", workspace, "--draws", "3", "--chunk", "5"]) == 0
    with pytest.raises(MismatchError, match="precompute ekfac"):
        Workspace.open(foreign_copy.workspace).load(GRADIENTS)
    assert precompute(["gradients", "--workspace", workspace, "--draws", "3", "--chunk", "5"]) == 0
    assert Workspace.open(foreign_copy.workspace).load(GRADIENTS).index.vectors.shape == (22, 2048)

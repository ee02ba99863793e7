"""Laws of attribution by unlearning, on the tiny world."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from diffusers import DiffusionPipeline

from attribution.engine import attribute
from attribution.errors import CalibrationError, NonFiniteError
from attribution.gradients.curvature import Diagonal
from attribution.gradients.draw_gradient import gradient_over_draws
from attribution.gradients.fisher import fisher_chunk, mean_of_chunks
from attribution.gradients.query_context import QueryContext
from attribution.gradients.stored import FISHER
from attribution.methods.base import method
from attribution.models.draws import Probe, stratified_draws
from attribution.models.losses import example_losses
from attribution.query import Box, Query, Settings
from attribution.results import Attribution, Ranking, Scores, ranked_rows
from attribution.rng import gaussian, generator
from attribution.unlearning import step as unlearning
from attribution.unlearning.calibration import RISE_TOLERANCE
from attribution.unlearning.measuring import control_rows
from attribution.unlearning.racing import mean_and_error
from attribution.workspace.baseline import LOSSES, training_latents
from attribution.workspace.workspace import Workspace
from tests.worlds.plain_abu import Draw, plain_abu
from tests.worlds.queries import query_of
from tests.worlds.rankings import training_set_of
from tests.worlds.settings import quick

QUICK = quick({"draws": 16, "calibration_draws": 8}, candidates=12, batch_size=16)


def final(workspace: Workspace, query: Query, settings: Settings, *methods: str) -> Attribution:
    *_, answer = attribute(workspace, query, methods or ("abu",), settings)
    assert isinstance(answer, Attribution)
    return answer


def with_alpha(alpha: float) -> Settings:
    return quick({"draws": 16, "calibration_draws": 8, "alpha": alpha}, candidates=12, batch_size=16)


def scores_by_id(ranking: Ranking) -> dict[str, float]:
    return {entry.id: entry.score for entry in ranking.entries}


def fisher_draws(name: str, count: int, shape: Sequence[int]) -> list[Draw]:
    """What the Fisher information's expectation is over, for one training image."""
    return [
        (
            int((d + generator(0, "fisher-t", name, d).random()) / count * 1000),
            gaussian(0, "fisher", name, d, shape),
        )
        for d in range(count)
    ]


def loss_draws(probe: Probe, name: str, shape: Sequence[int]) -> list[Draw]:
    """What one training image's loss is the mean over: the whole grid of timesteps, with each noise."""
    return [
        (t, gaussian(probe.seed, "losses", name, j * len(probe.timesteps) + k, shape))
        for k, t in enumerate(probe.timesteps)
        for j in range(probe.noises)
    ]


@pytest.mark.parametrize("box", [None, Box(0.5, 0.25, 1.0, 0.75)])
def test_scores_are_those_of_a_straightforward_implementation(
    tiny_world: Workspace, box: Box | None
) -> None:
    """Law: Scores are those of a straightforward implementation of the paper."""
    model, probe, rows = tiny_world.model, tiny_world.probe, [1, 4, 7]
    training_set = tiny_world.training_set
    ids = [training_set.ids[row] for row in rows]
    latents = training_latents(tiny_world, rows)
    captions = model.encode_captions([training_set.captions[row] for row in rows])
    context = QueryContext(tiny_world, query_of(tiny_world, box=box), QUICK)
    latent, caption, mask = context.latent, context.conditioning, context.mask
    draws = stratified_draws(model, 16, seed=0, purpose="unlearning")
    alpha, shape = 50.0, model.latent_shape

    *_, whole = gradient_over_draws(model, draws.of(latent, caption), mask)
    gradient = whole.mean
    fisher = mean_of_chunks(iter([fisher_chunk(model, latents, captions, ids, 2, seed=0)]))
    direction = unlearning.ascent_direction(gradient, Diagonal(fisher, 0.1), len(training_set))
    weights = unlearning.stepped(model.weights, direction, alpha)
    rises = (
        example_losses(model, weights, latents, captions, ids, probe)
        - tiny_world.load(LOSSES)[rows][..., : probe.noises]
    )
    fast = mean_and_error(rises.astype(np.float64))[0]

    slow = plain_abu(
        DiffusionPipeline.from_pretrained(tiny_world.source(tiny_world.config.model)),
        (latent[0], caption.tokens[0]),
        list(zip(latents, captions.tokens, strict=True)),
        [(int(t), e) for t, e in zip(draws.timesteps, draws.noise, strict=True)],
        [fisher_draws(name, 2, shape) for name in ids],
        [loss_draws(probe, name, shape) for name in ids],
        len(training_set),
        alpha,
        0.1,
        None if mask is None else mask.bool(),
    )
    assert np.abs(slow).max() > 1e-4, "the step must do something, or agreement means nothing"
    np.testing.assert_allclose(fast, slow, rtol=1e-3, atol=1e-6)


def test_the_same_query_twice_gives_the_same_ranking(tiny_world: Workspace) -> None:
    """Law: The same query twice has the same ranking."""
    first = final(tiny_world, query_of(tiny_world), QUICK).rankings["abu"]
    second = final(tiny_world, query_of(tiny_world), QUICK).rankings["abu"]
    assert first.entries == second.entries


def test_ranking_does_not_depend_on_batch_size(tiny_world: Workspace) -> None:
    first = final(tiny_world, query_of(tiny_world), QUICK).rankings["abu"]
    other = final(tiny_world, query_of(tiny_world), dataclasses.replace(QUICK, batch_size=5))
    second = scores_by_id(other.rankings["abu"])
    for entry in first.entries:
        assert second[entry.id] == pytest.approx(entry.score, rel=1e-2, abs=2e-6)


def test_a_score_does_not_depend_on_the_other_candidates(tiny_world: Workspace) -> None:
    """Law: A score does not depend on the other candidates."""
    ids = tiny_world.training_set.ids
    few = dataclasses.replace(QUICK, candidates=(ids[9], ids[2]))
    many = dataclasses.replace(QUICK, candidates=ids[:12])
    a = scores_by_id(final(tiny_world, query_of(tiny_world), few).rankings["abu"])
    b = scores_by_id(final(tiny_world, query_of(tiny_world), many).rankings["abu"])
    for name in a:
        assert a[name] == pytest.approx(b[name], rel=1e-2, abs=2e-6)


def test_another_seed_draws_another_gradient(tiny_world: Workspace) -> None:
    ids = tiny_world.training_set.ids[:6]
    a = final(tiny_world, query_of(tiny_world), dataclasses.replace(QUICK, candidates=ids))
    b = final(tiny_world, query_of(tiny_world), dataclasses.replace(QUICK, candidates=ids, seed=1))
    assert scores_by_id(a.rankings["abu"]) != scores_by_id(b.rankings["abu"])


@pytest.mark.slow
def test_the_pictures_own_loss_rises_and_that_of_controls_by_less_than_a_quarter(
    embedded_world: Workspace,
) -> None:
    """Law: Control pictures' losses rise by less than a quarter of the unlearned picture's own.

    On the trained world: a barely trained model cannot tell one caption from another.
    """
    rises = []
    for row in (3, 700, 1500):
        query = query_of(embedded_world, row)
        details = final(embedded_world, query, Settings(candidates=4)).rankings["abu"].details
        assert abs(details["query_rise"] - 0.10) <= RISE_TOLERANCE
        rises.append(details["control_rise"])
    assert np.mean(rises) < 0.025


def test_a_box_changes_what_is_unlearned(tiny_world: Workspace) -> None:
    ids = tiny_world.training_set.ids[:6]
    settings = dataclasses.replace(QUICK, candidates=ids)
    left, right = (
        final(tiny_world, query_of(tiny_world, box=box), settings).rankings["abu"]
        for box in (Box(0, 0.25, 0.5, 1), Box(0.5, 0.25, 1, 1))
    )
    assert scores_by_id(left) != scores_by_id(right)


def test_a_box_over_the_whole_picture_is_no_box(tiny_world: Workspace) -> None:
    whole = final(tiny_world, query_of(tiny_world), QUICK).rankings["abu"]
    boxed = final(tiny_world, query_of(tiny_world, box=Box(0, 0, 1, 1)), QUICK).rankings["abu"]
    for name, score in scores_by_id(whole).items():
        assert scores_by_id(boxed)[name] == pytest.approx(score, rel=2e-2, abs=2e-6)


def test_scores_that_are_not_finite_are_a_named_error() -> None:
    """Law: Scores that are not finite are an error that names the images."""
    scores = Scores(np.arange(3), np.array([1.0, np.nan, 2.0]))
    with pytest.raises(NonFiniteError, match="of b"):
        ranked_rows(scores, training_set_of(["a", "b", "c"]))


def test_ties_are_broken_by_id() -> None:
    scores = Scores(np.arange(4), np.array([1.0, 2.0, 1.0, 2.0]))
    ids = ["d", "c", "b", "a"]
    assert [ids[i] for i in ranked_rows(scores, training_set_of(ids))] == ["a", "c", "b", "d"]


def test_a_step_too_large_for_the_model_is_a_named_error(tiny_world: Workspace) -> None:
    with pytest.raises((NonFiniteError, CalibrationError)):
        final(tiny_world, query_of(tiny_world), with_alpha(1e38))


def test_standard_error_comes_from_the_spread_within_timesteps() -> None:
    rng = np.random.default_rng(0)
    grid = np.linspace(-5, 5, 10)[None, :, None]  # differs by timestep: not noise
    rises = grid + rng.normal(0, 0.3, (4000, 10, 2))
    values, stderr = mean_and_error(rises)
    assert values.std() == pytest.approx(0.3 / np.sqrt(20), rel=0.05)
    assert np.sqrt((stderr**2).mean()) == pytest.approx(0.3 / np.sqrt(20), rel=0.05)
    assert np.isnan(mean_and_error(rises[:, :, :1])[1]).all()


def test_controls_are_the_same_for_every_query(tiny_world: Workspace) -> None:
    assert np.array_equal(control_rows(tiny_world, 3), control_rows(tiny_world, 3))


def test_a_fixed_alpha_is_the_papers_own_step(tiny_world: Workspace) -> None:
    settings = with_alpha(1e-3)
    details = final(tiny_world, query_of(tiny_world), settings).rankings["abu"].details
    assert details["alpha"] == 1e-3
    assert details["damping"] == 0.0
    assert details["calibration_trials"] == 0
    assert method("abu").needs(tiny_world) == (LOSSES, FISHER)

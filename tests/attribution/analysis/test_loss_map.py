"""Laws of the map of where a training image was forgotten."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from app.charts.loss_map import overlaid
from attribution.analysis.loss_map import measured_loss_map
from attribution.engine import attribute
from attribution.gradients.query_context import QueryContext
from attribution.methods.abu import AbU
from attribution.methods.base import Locating, methods
from attribution.query import Candidates
from attribution.results import Attribution
from attribution.workspace.baseline import LOSSES
from attribution.workspace.workspace import Workspace
from tests.worlds.queries import query_of
from tests.worlds.settings import quick

SETTINGS = quick({"draws": 8, "calibration_draws": 4}, candidates=3, batch_size=32)


THREE = Candidates(np.array([1, 40, 90]), "three")


def context_of(workspace: Workspace) -> QueryContext:
    return QueryContext(workspace, query_of(workspace), SETTINGS)


def test_the_mean_of_the_map_is_the_score(tiny_world: Workspace) -> None:
    """Law: The mean of an image's loss map is its score, and so is the mean of its loss increases by
    timestep.
    """
    method, context = AbU(), context_of(tiny_world)
    *_, scores = method.score(context, THREE)
    for row, value in zip(scores.rows, scores.values, strict=True):  # type: ignore[union-attr]
        found = method.loss_map(context, int(row))
        assert found is not None
        assert found.cells.shape == tiny_world.model.latent_shape[1:]
        assert found.cells.mean() == pytest.approx(float(value), rel=1e-3, abs=1e-7)
        by_timestep = found.after - found.before
        assert by_timestep.mean() == pytest.approx(float(value), rel=1e-3, abs=1e-7)


def test_losses_by_timestep_are_those_that_were_precomputed(tiny_world: Workspace) -> None:
    method, context, row = AbU(), context_of(tiny_world), 2
    list(method.score(context, THREE))
    found = method.loss_map(context, row)
    assert found is not None
    assert found.timesteps == tiny_world.probe.timesteps
    stored = tiny_world.load(LOSSES)[row][:, : tiny_world.probe.noises]
    np.testing.assert_allclose(found.before, stored.mean(axis=1), rtol=1e-4)
    spread = stored.std(axis=1, ddof=1) / np.sqrt(tiny_world.probe.noises)
    np.testing.assert_allclose(found.before_stderr, spread, rtol=1e-3, atol=1e-6)
    assert (found.rise_stderr <= found.before_stderr + found.after_stderr + 1e-12).all()


def test_the_loaded_weights_forget_nothing(tiny_world: Workspace) -> None:
    found = measured_loss_map(tiny_world, tiny_world.model.weights, 3)
    assert not found.cells.any()
    assert np.array_equal(found.before, found.after)


def test_there_is_no_map_of_a_question_that_was_not_asked(tiny_world: Workspace) -> None:
    other = dataclasses.replace(SETTINGS, seed=12345)
    assert AbU().loss_map(QueryContext(tiny_world, query_of(tiny_world), other), 3) is None


def test_the_page_asks_the_method_that_answered(tiny_world: Workspace) -> None:
    query = query_of(tiny_world, 9)
    *_, answer = attribute(tiny_world, query, ["abu"], SETTINGS)
    assert isinstance(answer, Attribution)
    found = methods()["abu"]
    assert isinstance(found, Locating)
    assert found.loss_map(QueryContext(tiny_world, query, SETTINGS), 1) is not None
    assert not isinstance(methods()["clip"], Locating)


def test_rises_are_coloured_and_falls_are_not() -> None:
    grey = Image.new("RGB", (64, 64), (120, 120, 120))
    rises = np.full((16, 16), -1.0)
    rises[:8, :8] = 2.0
    shown = np.asarray(overlaid(grey, rises)).astype(int)
    assert shown[16, 16, 0] - shown[16, 16, 2] > 100  # warm
    assert np.ptp(shown[48, 48]) == 0
    assert np.array_equal(np.asarray(overlaid(grey, np.full((4, 4), -1.0))), np.asarray(grey))

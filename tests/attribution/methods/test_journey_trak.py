"""Laws of Journey-TRAK."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from attribution.engine import attribute
from attribution.errors import SettingsError
from attribution.gradients.features import DAMPING, TRAK
from attribution.gradients.whole import projected_gradient
from attribution.methods.base import method, refusal, with_options
from attribution.models.base import Objective
from attribution.models.batch import Batch
from attribution.models.draws import Probe, probe_draws
from attribution.query import Generation, Query, Settings
from attribution.results import Attribution
from attribution.workspace.workspace import Workspace
from tests.conftest import Foreign

MADE = Generation("a red bar", seed=2, steps=5, guidance=1.5, negative_prompt="blue")


@pytest.fixture
def workspace(foreign_world: Foreign) -> Workspace:
    return Workspace.open(foreign_world.workspace)


def made(workspace: Workspace) -> Query:
    *_, last = workspace.model.generate(MADE)
    assert last.image is not None
    return Query(last.image, MADE.prompt, generation=MADE)


def scores_of(workspace: Workspace, query: Query, **options: int) -> np.ndarray:
    settings = Settings(options={"journey-trak": with_options(method("journey-trak"), options)})
    *_, answer = attribute(workspace, query, ["journey-trak"], settings)
    assert isinstance(answer, Attribution)
    ranking = answer.rankings["journey-trak"]
    out = np.empty(len(ranking.rows))
    out[ranking.rows] = ranking.scores
    return out


def test_scores_are_the_kernel_of_the_mean_gradient_along_the_way(workspace: Workspace) -> None:
    """Law: Journey-TRAK asks with the mean gradient over steps, of the picture as it was seen there."""
    model, features, steps = workspace.model, workspace.load(TRAK), list(workspace.model.generate(MADE))
    rows = []
    for step in (steps[0], steps[2], steps[4]):  # three of five, evenly spread
        assert step.clean is not None
        assert step.time is not None
        probe, name = Probe((step.time,), 2, 0), f"query at step {step.done}"
        for draws in probe_draws(probe, range(2), [name], model.latent_shape, 1):
            batch = Batch(step.clean, model.encode_captions([MADE.prompt]), draws.noise, draws.timesteps)
            rows.append(projected_gradient(model, batch, Objective.LOSS, features.sketch)[1].numpy())
    phi = (features.index.vectors * features.lengths[:, None]).astype(np.float64)
    second = phi.T @ phi / len(phi)
    ridge = DAMPING * np.trace(second) / len(second)
    expected = phi @ np.linalg.inv(second + ridge * np.eye(len(second))) @ np.mean(rows, axis=0)
    found = scores_of(workspace, made(workspace), steps=3, noises=2)
    np.testing.assert_allclose(found, expected, rtol=1e-2, atol=1e-3 * np.abs(expected).max())


def test_every_step_of_a_generation_says_what_it_looks_like(workspace: Workspace) -> None:
    """Law: Every step of a generation says what the model took the clean latent to be, always the same."""
    steps = list(workspace.model.generate(MADE))
    assert [step.done for step in steps] == [1, 2, 3, 4, 5]
    times = [step.time for step in steps]
    assert times == sorted(times, reverse=True)
    again = list(workspace.model.generate(MADE))
    for one, other in zip(steps, again, strict=True):
        assert one.clean is not None
        assert other.clean is not None
        torch.testing.assert_close(one.clean, other.clean)


def test_a_picture_whose_making_is_not_known_is_refused(workspace: Workspace) -> None:
    """Law: A picture that was uploaded has no way to follow, and that is said in one sentence."""
    query = made(workspace)
    uploaded = Query(query.image, query.caption)
    assert refusal(method("journey-trak"), query) is None
    assert refusal(method("trak"), uploaded) is None
    with pytest.raises(SettingsError, match="how this one was made is not known"):
        next(attribute(workspace, uploaded, ["journey-trak"]))


def test_an_answer_says_what_the_picture_was_made_from(workspace: Workspace) -> None:
    *_, answer = attribute(workspace, made(workspace), ["journey-trak"])
    assert isinstance(answer, Attribution)
    assert answer.rankings["journey-trak"].details["generation"] == dataclasses.asdict(MADE)


def test_options_that_make_no_sense_are_refused() -> None:
    for options in ({"steps": 0}, {"noises": 0}):
        with pytest.raises(SettingsError):
            with_options(method("journey-trak"), options)

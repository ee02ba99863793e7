"""Laws of mirrored unlearning and noise-consistent skew, on the tiny world."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from attribution.engine import attribute
from attribution.errors import CalibrationError, SettingsError
from attribution.gradients.query_context import QueryContext
from attribution.methods.mucs import Mucs, MucsOptions, skew
from attribution.models.losses import example_losses
from attribution.query import Box, Settings
from attribution.results import Attribution, Ranking, returned
from attribution.unlearning.step import Unlearned
from attribution.workspace.baseline import training_latents
from attribution.workspace.workspace import Workspace
from tests.worlds.queries import query_of
from tests.worlds.weights import checksum

SHORT = MucsOptions(steps=4, draws=8, held_out=8, learning_rate=0.01)
QUICK = Settings(candidates=10, batch_size=32, options={"mucs": SHORT})


def ranked(workspace: Workspace, settings: Settings = QUICK, box: Box | None = None) -> Ranking:
    *_, answer = attribute(workspace, query_of(workspace, box=box), ["mucs"], settings)
    assert isinstance(answer, Attribution)
    return answer.rankings["mucs"]


def second_model(workspace: Workspace, settings: Settings = QUICK, box: Box | None = None) -> Unlearned:
    return returned(Mucs().unlearn(QueryContext(workspace, query_of(workspace, box=box), settings)))


@pytest.mark.parametrize("box", [None, Box(0.5, 0.25, 1.0, 0.75)])
def test_scores_are_the_mean_skew_of_two_models_losses_on_the_same_noise(
    tiny_world: Workspace, box: Box | None
) -> None:
    """Law: MUCS's scores are mean skews of the losses of two models, draw by draw on the same noise."""
    ranking, model, training_set = ranked(tiny_world, box=box), tiny_world.model, tiny_world.training_set
    unlearned = second_model(tiny_world, box=box)
    rows = ranking.rows
    latents, ids = training_latents(tiny_world, rows), [training_set.ids[row] for row in rows]
    captions = model.encode_captions([training_set.captions[row] for row in rows])
    one, two = (
        example_losses(model, weights, latents, captions, ids, tiny_world.probe).astype(np.float64)
        for weights in (model.weights, unlearned.weights)
    )
    skews = [
        [(b - a) / (b + a) for a, b in zip(x.flat, y.flat, strict=True)]
        for x, y in zip(one, two, strict=True)
    ]
    slow = [sum(each) / len(each) for each in skews]
    np.testing.assert_allclose(ranking.scores, slow, rtol=1e-3, atol=1e-6)
    assert ranking.stderr is not None


def test_the_same_question_has_the_same_second_model(tiny_world: Workspace) -> None:
    """Law: The same question fine-tunes the same second model, and leaves the loaded one unchanged."""
    before = checksum(tiny_world)
    first, second = ranked(tiny_world), ranked(tiny_world)
    assert first.entries == second.entries
    assert ranked(tiny_world, dataclasses.replace(QUICK, seed=1)).entries != first.entries
    assert checksum(tiny_world) == before


def test_a_skew_is_a_share_and_has_no_side() -> None:
    """Law: A skew lies in [-1, 1], is nothing of equal losses, and changes sign with their order."""
    rng = np.random.default_rng(0)
    one, two = rng.random((2, 5, 4, 3)) + 1e-6
    assert np.abs(skew(one, two)).max() < 1
    np.testing.assert_array_equal(skew(one, two), -skew(two, one))
    np.testing.assert_array_equal(skew(one, one), 0)
    np.testing.assert_allclose(skew(one, 3 * one), 0.5)
    zero = np.zeros((1, 1, 1))
    assert skew(zero, zero) == 0


def test_it_ends_when_the_pictures_own_loss_has_risen_as_asked(tiny_world: Workspace) -> None:
    options = dataclasses.replace(SHORT, steps=40, target_rise=0.02)
    unlearned = second_model(tiny_world, dataclasses.replace(QUICK, options={"mucs": options}))
    assert unlearned.trials < 40
    assert 0.02 <= unlearned.rise < 0.10
    details = ranked(tiny_world).details
    assert details["steps"] == 4
    assert {"query_rise", "control_rise", "learning_rate"} <= set(details)


def test_steps_that_raise_nothing_are_a_named_error(tiny_world: Workspace) -> None:
    options = dataclasses.replace(SHORT, learning_rate=1e-12, steps=1)
    with pytest.raises(CalibrationError, match=r"mucs\.learning_rate"):
        ranked(tiny_world, dataclasses.replace(QUICK, options={"mucs": options}))


def test_where_an_image_was_forgotten_can_be_said_while_the_question_is_remembered(
    tiny_world: Workspace,
) -> None:
    context = QueryContext(tiny_world, query_of(tiny_world), QUICK)
    ranked(tiny_world)
    assert Mucs().loss_map(context, 5) is not None
    other = dataclasses.replace(QUICK, seed=77)
    assert Mucs().loss_map(dataclasses.replace(context, settings=other), 5) is None


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"draws": 3}, {"learning_rate": 0.0}, {"target_rise": 0.0}]
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        MucsOptions(**wrong)  # type: ignore[arg-type]

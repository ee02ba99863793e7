"""Laws of the test of an answer: unlearn what it names, make the picture again."""

from __future__ import annotations

import json
import threading
from dataclasses import replace

import pytest
import torch

from attribution.analysis.counterfactual import CounterfactualCheck, CounterfactualSettings
from attribution.analysis.counterfactual_check import (
    check_picture,
    check_ranking,
    unrelated_captions,
)
from attribution.analysis.counterfactual_sets import control_sets, matched_set
from attribution.errors import CalibrationError, Cancelled, SettingsError
from attribution.gradients.draw_gradient import QueryGradient, gradient_over_draws
from attribution.gradients.stored import damped_curvature
from attribution.models.base import Generation
from attribution.models.draws import stratified_draws
from attribution.query import Box, Query
from attribution.results import Progress, returned
from attribution.unlearning import image_set as sets
from attribution.unlearning import step as unlearning
from attribution.unlearning.calibration import RISE_TOLERANCE, calibrated_step, linear_step
from attribution.unlearning.image_set import Ascent
from attribution.workspace.baseline import training_latents
from attribution.workspace.workspace import Workspace
from tests.worlds.weights import checksum

QUICK = CounterfactualSettings(
    Ascent(target_rise=0.1, draws=8, calibration_draws=4),
    picture_rise=0.1,
    controls=2,
    measuring_draws=8,
    regenerations=2,
    survivors=2,
)
MADE = Generation("a snowman and a rocket on the beach", seed=1, steps=3)
ROWS = (0, 7, 11)


@pytest.fixture(scope="module")
def query(tiny_world: Workspace) -> Query:
    *_, last = tiny_world.model.generate(MADE)
    assert last.image is not None
    return Query(last.image, MADE.prompt)


def last_of(events) -> CounterfactualCheck:  # type: ignore[no-untyped-def]
    *_, check = events
    assert isinstance(check, CounterfactualCheck)
    return check


def unlearned(workspace: Workspace, rows: tuple[int, ...], ascent: Ascent) -> unlearning.Unlearned:
    return returned(sets.unlearned_set(workspace, rows, ascent))


def test_a_set_of_one_is_that_image_unlearned(tiny_world: Workspace) -> None:
    """Law: A set of one image is that image unlearned."""
    ascent, row = QUICK.ascent, 4
    model, training_set = tiny_world.model, tiny_world.training_set
    latent, caption = (
        training_latents(tiny_world, [row]),
        model.encode_captions([training_set.captions[row]]),
    )
    name = training_set.ids[row]
    draws = stratified_draws(model, ascent.draws, ascent.seed, "unlearning", name)
    held_out = stratified_draws(model, ascent.calibration_draws, ascent.seed, "calibration", name)
    *_, gradient = gradient_over_draws(model, draws.of(latent, caption))
    curvature = damped_curvature(tiny_world, "fisher", ascent.damping)
    direction = unlearning.ascent_direction(gradient.mean, curvature, len(training_set))
    guess = linear_step(gradient, direction, ascent.target_rise)
    *_, (_, expected) = calibrated_step(
        model, direction, held_out.of(latent, caption), ascent.target_rise, guess=guess
    )
    assert expected is not None
    found = unlearned(tiny_world, (row,), replace(ascent, curvature="fisher"))
    assert found.alpha == expected.alpha
    assert all(torch.equal(found.weights[key], value) for key, value in expected.weights.items())


def test_a_sets_gradient_is_the_mean_of_its_images(tiny_world: Workspace) -> None:
    """Law: A set's gradient is the mean of its images' gradients."""
    model = tiny_world.model

    def gradient(rows: tuple[int, ...], count: int) -> dict[str, torch.Tensor]:
        given = sets.set_draws(tiny_world, rows, count, 0, "unlearning")
        *_, last = gradient_over_draws(model, given)
        return dict(last.mean)

    together = gradient((2, 9), 8)
    one, other = gradient((2,), 4), gradient((9,), 4)
    for name, value in together.items():
        torch.testing.assert_close(value, (one[name] + other[name]) / 2, rtol=1e-4, atol=1e-8)


def test_every_set_is_unlearned_as_far_as_asked(tiny_world: Workspace, query: Query) -> None:
    """Law: A counterfactual check unlearns every set as far as was asked."""
    check = last_of(check_ranking(tiny_world, query, ROWS, QUICK, MADE))
    assert check.final
    assert check.outcome is not None
    assert check.outcome.ids == tuple(tiny_world.training_set.ids[row] for row in ROWS)
    for outcome in (check.outcome, *check.controls):
        assert outcome.rise == pytest.approx(0.1, abs=RISE_TOLERANCE)
        assert len(outcome.ids) == len(ROWS)
        assert outcome.loss.before == check.outcome.loss.before  # on the same draws
        assert outcome.loss.rise == pytest.approx(outcome.loss.after - outcome.loss.before)


def test_a_rise_that_no_step_reaches_is_a_named_error(tiny_world: Workspace, query: Query) -> None:
    least = Ascent(draws=2, calibration_draws=2)
    with pytest.raises(SettingsError, match="no image"):
        last_of(check_ranking(tiny_world, query, (), QUICK, MADE))
    direction = {name: torch.zeros_like(w) for name, w in tiny_world.model.weights.items()}
    gradient = QueryGradient(2, 2, direction, 1.0)
    given = sets.set_draws(tiny_world, (1,), 2, 0, "calibration")
    with pytest.raises(CalibrationError, match="gradient is zero"):
        list(sets.ascended(tiny_world, iter([gradient]), given, least, "nothing"))


@pytest.mark.parametrize("size", [1, 5, 30])
def test_control_sets_share_no_image_with_each_other_or_with_the_first(
    tiny_world: Workspace, size: int
) -> None:
    """Law: A check's control sets share no image with each other or with the first set."""
    rows = range(size)
    controls = control_sets(tiny_world, rows, QUICK)
    together = [*rows, *(row for control in controls for row in control)]
    assert len(set(together)) == len(together) == 3 * size
    assert controls == control_sets(tiny_world, rows, QUICK)
    other = replace(QUICK, ascent=replace(QUICK.ascent, seed=1))
    assert controls != control_sets(tiny_world, rows, other)


def test_too_few_others_for_the_controls_are_refused(tiny_world: Workspace) -> None:
    with pytest.raises(SettingsError, match="choose fewer"):
        control_sets(tiny_world, range(40), QUICK)


def test_matched_images_are_none_of_the_first_and_none_of_a_control(tiny_world: Workspace) -> None:
    """Law: Images with the same words share no image with the first set or with a control."""
    matched = matched_set(tiny_world, ROWS, QUICK)
    taken = [row for control in control_sets(tiny_world, ROWS, QUICK) for row in control]
    assert len({*ROWS, *taken, *matched}) == 4 * len(ROWS)
    captions = tiny_world.training_set.captions
    for row, other in zip(ROWS, matched, strict=True):
        assert set(captions[row].split()) & set(captions[other].split())


def test_a_check_that_goes_on_is_the_one_that_was_never_stopped(
    tiny_world: Workspace, query: Query
) -> None:
    """Law: A check that was stopped and goes on finds what one finds that was never stopped."""
    beside = {"matched": (1, 2, 3), "clip": ROWS}
    whole = list(check_ranking(tiny_world, query, ROWS, QUICK, MADE, beside=beside))
    *_, last = (event for event in whole if isinstance(event, CounterfactualCheck))
    assert [each.name for each in last.compared] == ["matched", "clip"]
    assert last.compared[1].outcome == last.outcome  # the same images
    half = next(e for e in whole if isinstance(e, CounterfactualCheck) and len(e.controls) == 1)
    assert not half.tested
    assert not half.final
    kept = replace(half, query=json.loads(json.dumps(half.query)))
    rest = list(check_ranking(tiny_world, query, ROWS, QUICK, MADE, beside=beside, begun=kept))
    assert rest[-1] == last
    assert len(rest) < len(whole) * 3 / 4
    again = list(check_ranking(tiny_world, query, ROWS, QUICK, MADE, beside=beside, begun=last))
    assert again == [last]
    other = next(
        event
        for event in check_ranking(tiny_world, query, ROWS, QUICK, replace(MADE, seed=2), begun=last)
        if isinstance(event, CounterfactualCheck)
    )
    assert other.found == ()


@pytest.mark.slow
def test_the_same_proof_twice_is_the_same_and_the_weights_are_unchanged(
    tiny_world: Workspace, query: Query
) -> None:
    """Law: The same check twice is the same, and leaves the weights unchanged."""
    before = checksum(tiny_world)
    for prove in (
        lambda: check_ranking(tiny_world, query, ROWS, QUICK, MADE),
        lambda: check_picture(tiny_world, query, QUICK, MADE),
    ):
        assert last_of(prove()) == last_of(prove())
    assert checksum(tiny_world) == before


def test_a_proof_stopped_after_any_step_leaves_nothing_behind(tiny_world: Workspace, query: Query) -> None:
    """Law: A check that is stopped after any step leaves nothing behind."""
    before = checksum(tiny_world)
    expected = last_of(check_ranking(tiny_world, query, ROWS, QUICK, MADE))
    for steps in (0, 2, 5, 9, 15):
        stop = threading.Event()
        events = check_ranking(tiny_world, query, ROWS, QUICK, MADE, stop)
        for _, event in zip(range(steps), events, strict=False):
            assert isinstance(event, Progress | CounterfactualCheck)
        stop.set()
        with pytest.raises(Cancelled):
            list(events)
    assert checksum(tiny_world) == before
    assert last_of(check_ranking(tiny_world, query, ROWS, QUICK, MADE)) == expected


def test_a_picture_that_was_made_here_is_made_again_to_the_last_pixel(
    tiny_world: Workspace, query: Query
) -> None:
    first = next(
        event
        for event in check_ranking(tiny_world, query, ROWS, QUICK, MADE)
        if isinstance(event, CounterfactualCheck)
    )
    assert first.same_noise
    assert first.before[0].tobytes() == query.image.tobytes()
    assert not first.warnings
    other = next(
        event
        for event in check_ranking(tiny_world, query, ROWS, QUICK, replace(MADE, seed=2))
        if isinstance(event, CounterfactualCheck)
    )
    assert "do not give this very picture" in other.warnings[0]


def test_an_upload_is_made_again_from_its_caption_and_fixed_seeds(
    tiny_world: Workspace, query: Query
) -> None:
    boxed = replace(query, box=Box(0, 0, 0.5, 0.5))
    check = last_of(check_picture(tiny_world, boxed, QUICK))
    assert not check.same_noise
    assert [made.seed for made in check.generations] == [0, 1]
    assert check.outcome is not None
    # In a picture from other noise, what the box was about lies elsewhere.
    assert all(change.outside is None for change in check.outcome.changes)


def test_unlearning_the_picture_raises_its_loss_and_spares_unrelated_ones(
    tiny_world: Workspace, query: Query
) -> None:
    boxed = replace(query, box=Box(0, 0.25, 0.5, 1))
    settings = replace(QUICK, ascent=Ascent(), measuring_draws=32)
    check = last_of(check_picture(tiny_world, boxed, settings, MADE))
    assert check.outcome is not None
    assert check.outcome.rise == pytest.approx(0.1, abs=RISE_TOLERANCE)
    assert check.outcome.changes[0].outside is not None
    assert len(check.survivors) == 2
    spared = [survivor.loss.relative for survivor in check.survivors]
    assert sum(spared) / len(spared) < check.outcome.loss.relative
    json.dumps(check.to_json())


def test_unrelated_captions_share_no_telling_word(tiny_world: Workspace) -> None:
    found = unrelated_captions(tiny_world, MADE.prompt, 5, seed=0)
    assert len(set(found)) == 5
    assert not any({"snowman", "rocket"} & set(caption.split()) for caption in found)

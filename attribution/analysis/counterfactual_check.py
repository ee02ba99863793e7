"""Test an answer: unlearn what it names, make the picture again, and see what changed.

Two tests. `check_ranking` unlearns the training images that a ranking puts first, and as a control as many
random ones, each until the *set's own* loss has risen by the same share: the picture is made again from
the same noise under each. Further sets may stand beside them, such as images with the same words, and what
was found before it was stopped is taken over when it goes on. `check_picture` unlearns the picture itself,
and makes it and some unrelated pictures again: it should change and they should not.

What a difference shows is that these weights need what was unlearned to make this picture. It does not
show that a model trained without those images could not make it: unlearning approximates that.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from PIL import Image
from torch import Tensor

from attribution.analysis.counterfactual import (
    CounterfactualCheck,
    CounterfactualSettings,
    Outcome,
    Survivor,
)
from attribution.analysis.counterfactual_sets import NamedSet, Plan, control_sets, is_same, taken_over
from attribution.analysis.significance import related_captions
from attribution.errors import Cancelled
from attribution.gradients.query_context import QueryContext
from attribution.models.base import Generation, Weights
from attribution.models.batch import Conditioning
from attribution.models.draws import stratified_draws
from attribution.query import Box, Query, Settings
from attribution.results import Progress
from attribution.rng import generator
from attribution.unlearning.change import LossChange, loss_change, picture_change
from attribution.unlearning.image_set import ascended, unlearned_set
from attribution.unlearning.step import Unlearned
from attribution.workspace.workspace import Workspace

SAME = 2.0  # levels of 255: a picture that its settings give again differs by less


def check_ranking(
    workspace: Workspace,
    query: Query,
    rows: Sequence[int],
    settings: CounterfactualSettings | None = None,
    generation: Generation | None = None,
    stop: threading.Event | None = None,
    beside: Mapping[str, Sequence[int]] | None = None,
    begun: CounterfactualCheck | None = None,
) -> Iterator[Progress | CounterfactualCheck]:
    """Unlearn the training images of some rows, then random ones; yields progress and what is there.

    Args:
        generation: what the picture was made from, if this model made it.
        beside: rows of further sets, by the name of their `Comparison`, unlearned last.
        begun: what an earlier one has found: the sets that are the same are not unlearned again.

    Raises:
        Cancelled: `stop` was set; noticed between any two steps.
        SettingsError: no rows, or too few others for the controls.
        CalibrationError: a set cannot be unlearned as far as asked.
    """
    settings = settings or CounterfactualSettings()
    tested = tuple(int(row) for row in rows)
    names = [f"the first {len(tested)}", *[f"{len(tested)} random images"] * settings.controls]
    sets = list(zip(names, [tested, *control_sets(workspace, rows, settings)], strict=True))
    further = {name: tuple(map(int, rows)) for name, rows in (beside or {}).items()}
    plan = Plan(sets, further, settings, generation, begun)
    return _until(stop, _set_checks(workspace, query, plan))


def check_sets(
    workspace: Workspace,
    query: Query,
    sets: Sequence[NamedSet],
    settings: CounterfactualSettings | None = None,
    generation: Generation | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Progress | CounterfactualCheck]:
    """Unlearn the first of some sets, then the others as its controls; otherwise as `check_ranking`."""
    plan = Plan(sets, {}, settings or CounterfactualSettings(), generation, None)
    return _until(stop, _set_checks(workspace, query, plan))


def check_picture(
    workspace: Workspace,
    query: Query,
    settings: CounterfactualSettings | None = None,
    generation: Generation | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Progress | CounterfactualCheck]:
    """Unlearn the picture itself, make it again, and pictures of unrelated captions.

    Raises:
        Cancelled: `stop` was set; noticed between any two steps.
        CalibrationError: the picture cannot be unlearned as far as asked.
    """
    return _until(stop, _picture_checks(workspace, query, settings or CounterfactualSettings(), generation))


def unrelated_captions(workspace: Workspace, caption: str, count: int, seed: int) -> list[str]:
    """Training captions that share no word with `caption` but those that most captions have."""
    captions = list(dict.fromkeys(workspace.training_set.captions))
    related = related_captions(captions, [caption])[:, 0]
    shuffled = generator(seed, "proof captions").permutation(len(captions))
    return [captions[k] for k in shuffled if not related[k]][:count]


def _until(
    stop: threading.Event | None, events: Iterator[Progress | CounterfactualCheck]
) -> Iterator[Progress | CounterfactualCheck]:
    for event in events:
        if stop is not None and stop.is_set():
            raise Cancelled("stopped")
        yield event


def _set_checks(workspace: Workspace, query: Query, plan: Plan) -> Iterator[Progress | CounterfactualCheck]:
    subject, check = yield from _begun(workspace, query, plan.settings, plan.generation, plan.begun)
    before = {outcome.ids: outcome for outcome in taken_over(check, plan.begun)}
    found: list[Outcome] = []
    for words, rows in plan.stages:
        ids = tuple(workspace.training_set.ids[row] for row in rows)
        outcome = before.get(ids)
        if outcome is None:
            yield plan.with_found(check, found)
            unlearned = yield from unlearned_set(workspace, rows, plan.settings.ascent, words)
            outcome = yield from _outcome(workspace, subject, check, unlearned, ids, words)
        found.append(outcome)
    yield plan.with_found(check, found)


def _picture_checks(
    workspace: Workspace, query: Query, settings: CounterfactualSettings, generation: Generation | None
) -> Iterator[Progress | CounterfactualCheck]:
    subject, check = yield from _begun(workspace, query, settings, generation)
    yield check
    words = "the picture"
    ascent = replace(settings.ascent, target_rise=settings.picture_rise)
    context = subject.context
    draws = stratified_draws(workspace.model, ascent.calibration_draws, ascent.seed, "calibration")
    held_out = draws.of(context.latent, context.conditioning)
    gradients = context.gradients(ascent.draws)
    unlearned = yield from ascended(workspace, gradients, held_out, ascent, words, context.mask)
    check = replace(check, outcome=(yield from _outcome(workspace, subject, check, unlearned, (), words)))
    captions = unrelated_captions(workspace, query.caption, settings.survivors, ascent.seed)
    if len(captions) < settings.survivors:
        found = f"only {len(captions)} training captions have nothing in common with this picture's"
        check = replace(check, warnings=(*check.warnings, found))
    for number, caption in enumerate(captions):
        yield check
        made = Generation(caption, number)
        survivor = yield from _survivor(workspace, made, unlearned.weights, settings)
        check = replace(check, survivors=(*check.survivors, survivor))
    yield replace(check, final=True)


@dataclass(frozen=True)
class _Subject:
    """The picture, and where in pictures made again the change is measured."""

    context: QueryContext
    box: Box | None


def _begun(
    workspace: Workspace,
    query: Query,
    settings: CounterfactualSettings,
    generation: Generation | None,
    earlier: CounterfactualCheck | None = None,
) -> Generator[Progress, None, tuple[_Subject, CounterfactualCheck]]:
    """Yield progress; returns the subject and a check that has the pictures before.

    Args:
        earlier: whose pictures before are taken over, if it is of the same question.
    """
    generations = (
        tuple(Generation(query.caption, seed) for seed in range(settings.regenerations))
        if generation is None
        else (generation,)
    )
    context = QueryContext(workspace, query, Settings(seed=settings.ascent.seed))
    same_noise = generation is not None
    bare = CounterfactualCheck(context.described(), settings, same_noise, generations, ())
    if earlier is not None and is_same(bare, earlier):
        before = earlier.before
    else:
        before = yield from _made(workspace, generations, None, "making the picture again as it was")
    # In a picture from other noise, what the box was about lies elsewhere.
    box = None if generation is None else context.box
    warnings: tuple[str, ...] = ()
    if generation is not None:
        apart = picture_change(workspace, context.picture, before[0]).inside
        if apart > SAME:
            warnings = (
                "the picture's settings do not give this very picture again (its pixels differ by "
                f"{apart:.0f} of 255): what is compared is made from those settings",
            )
    return _Subject(context, box), replace(bare, before=before, warnings=warnings)


def _outcome(
    workspace: Workspace,
    subject: _Subject,
    check: CounterfactualCheck,
    unlearned: Unlearned,
    ids: tuple[str, ...],
    words: str,
) -> Generator[Progress, None, Outcome]:
    """Yield progress; returns what some unlearned weights do to the picture."""
    stage = f"making the picture again without {words}"
    weights = unlearned.weights
    pictures = yield from _made(workspace, check.generations, weights, stage)
    changes = tuple(
        picture_change(workspace, before, after, subject.box)
        for before, after in zip(check.before, pictures, strict=True)
    )
    context = subject.context
    picture = (context.latent, context.conditioning)
    loss = _loss_change(workspace, weights, picture, check.settings, context.mask)
    return Outcome(ids, unlearned.rise, unlearned.alpha, loss, pictures, changes)


def _survivor(
    workspace: Workspace, made: Generation, weights: Weights, settings: CounterfactualSettings
) -> Generator[Progress, None, Survivor]:
    """Yield progress; returns an unrelated picture before and after."""
    stage = f"making “{made.prompt}” before and after"
    (before,) = yield from _made(workspace, (made,), None, stage)
    (after,) = yield from _made(workspace, (made,), weights, stage)
    model = workspace.model
    tensors = model.encode_images([before]), model.encode_captions([made.prompt])
    loss = _loss_change(workspace, weights, tensors, settings)
    return Survivor(made, before, after, loss, picture_change(workspace, before, after))


def _loss_change(
    workspace: Workspace,
    weights: Weights,
    picture: tuple[Tensor, Conditioning],
    settings: CounterfactualSettings,
    mask: Tensor | None = None,
) -> LossChange:
    """On draws that nothing was unlearned or calibrated with."""
    draws = stratified_draws(workspace.model, settings.measuring_draws, settings.ascent.seed, "proof")
    return loss_change(workspace.model, weights, draws.of(*picture), mask, workspace.batch_size)


def _made(
    workspace: Workspace, generations: Sequence[Generation], weights: Weights | None, stage: str
) -> Generator[Progress, None, tuple[Image.Image, ...]]:
    """Yield progress; returns the pictures."""
    pictures, done = [], 0
    total = sum(generation.steps for generation in generations)
    for generation in generations:
        for step in workspace.model.generate(generation, weights):
            done += 1
            if step.image is not None:
                pictures.append(workspace.prepared(step.image))
            yield Progress("", stage, done, total)
    return tuple(pictures)

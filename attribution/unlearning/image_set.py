"""Unlearn a set of training images at once: natural-gradient ascent on their mean loss.

The draws of each image are its own (stratified over the schedule, antithetic, by seed and id), so an
image's share of the gradient does not depend on which others it is unlearned with, and a set of one is
that image unlearned.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from attribution.errors import SettingsError
from attribution.gradients.draw_gradient import QueryGradient, gradient_over_draws
from attribution.gradients.stored import EKFAC, FISHER, damped_curvature
from attribution.models.batch import Batch
from attribution.models.draws import stratified_draws
from attribution.query import checked_draws, checked_rise
from attribution.results import Progress
from attribution.unlearning import step as unlearning
from attribution.unlearning.calibration import MAX_TRIALS, calibrated_step, linear_step
from attribution.unlearning.step import Unlearned
from attribution.workspace.baseline import training_latents
from attribution.workspace.workspace import Workspace


@dataclass(frozen=True)
class Ascent:
    """How something is unlearned.

    Attributes:
        target_rise: the relative rise of the mean loss of what is unlearned, on draws held out from
            its gradient.
        draws: of the gradient; calibration_draws: held out. At least so many, spread over a set.
        curvature: "fisher" or "ekfac"; None for EK-FAC where the workspace has it.
        damping: a share of the curvature's mean in each layer.
        seed: of every draw.
    """

    target_rise: float = 0.20
    draws: int = 256
    calibration_draws: int = 64
    curvature: str | None = None
    damping: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        checked_rise(self.target_rise)
        checked_draws("draws", self.draws)
        checked_draws("calibration_draws", self.calibration_draws)


def set_draws(workspace: Workspace, rows: Sequence[int], count: int, seed: int, purpose: str) -> Batch:
    """At least `count` draws, as many of each image, image by image.

    Raises:
        SettingsError: the set is empty.
    """
    if not len(rows):
        raise SettingsError("there is no image to unlearn: choose at least one")
    model, training_set = workspace.model, workspace.training_set
    each = 2 * -(-count // (2 * len(rows)))  # in pairs, rounded up
    own = [stratified_draws(model, each, seed, purpose, training_set.ids[row]) for row in rows]
    latents = training_latents(workspace, rows).to(model.device).repeat_interleave(each, dim=0)
    captions = model.encode_captions([training_set.captions[row] for row in rows])
    return Batch(
        latents,
        captions.repeat_interleave(each),
        torch.cat([draws.noise for draws in own]),
        torch.cat([draws.timesteps for draws in own]),
    )


def unlearned_set(
    workspace: Workspace, rows: Sequence[int], ascent: Ascent, subject: str = "the images"
) -> Generator[Progress, None, Unlearned]:
    """Yield progress; returns weights under which the set's own mean loss has risen as asked.

    Args:
        subject: what is being unlearned, for the person.

    Raises:
        CalibrationError: the rise cannot be reached.
        SettingsError: the set is empty.
    """
    batch = set_draws(workspace, rows, ascent.draws, ascent.seed, "unlearning")
    gradients = gradient_over_draws(workspace.model, batch, batch_size=workspace.batch_size)
    held_out = set_draws(workspace, rows, ascent.calibration_draws, ascent.seed, "calibration")
    return (yield from ascended(workspace, gradients, held_out, ascent, subject))


def ascended(
    workspace: Workspace,
    gradients: Iterator[QueryGradient],
    held_out: Batch,
    ascent: Ascent,
    subject: str,
    mask: Float[Tensor, "h w"] | None = None,
) -> Generator[Progress, None, Unlearned]:
    """Yield progress; returns the weights one calibrated step along the last of some gradients."""
    gradient = None
    yield Progress("", f"unlearning {subject}", 0, ascent.draws)
    for gradient in gradients:
        yield Progress("", f"unlearning {subject}", gradient.draws, gradient.total)
    assert gradient is not None, "there are at least two draws"
    kind = ascent.curvature or (EKFAC.name if workspace.has(EKFAC) else FISHER.name)
    damped = damped_curvature(workspace, kind, ascent.damping)
    direction = unlearning.ascent_direction(gradient.mean, damped, len(workspace.training_set))
    guess = linear_step(gradient, direction, ascent.target_rise)
    trials = calibrated_step(
        workspace.model, direction, held_out, ascent.target_rise, mask, guess, workspace.batch_size
    )
    for trial, unlearned in trials:
        if unlearned is not None:
            return unlearned
        yield Progress("", f"sizing the step of {subject}", trial, MAX_TRIALS)
    raise AssertionError("calibration ends with a result or an error")

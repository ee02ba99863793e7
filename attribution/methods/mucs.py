"""MUCS: mirrored unlearning and noise-consistent skew (Serrà et al. 2026, arXiv 2605.17938).

A second model is fine-tuned on the picture with bounded, mirrored gradient ascent, and a training image's
score is the normalised skew between the losses of the two models, on noise that both share:

    skew = (L' - L) / (L' + L)   of each draw, averaged over draws

with L under the model as it is and L' under the second. Beside AbU: no curvature, many small steps in place
of one, and a change of loss *in proportion*: images with large losses do not come first for being large.

Established from the paper's abstract and summaries of it: a second model; gradient ascent that is
bounded by being mirrored at a null loss; the skew normalised, a function of the ratio of two losses on the
same noise; the mean over noises. The full text was not at hand, and this much is our reading: that the
null loss is that of predicting zero, and the mirror `|L_0 - L|` (`attribution.unlearning.mirrored`); the
normaliser `L' + L`; that it is taken draw by draw, before the mean; Adam. Ours as well, so that it is asked
as the other methods are: the workspace's layers in place of all weights, its timesteps and noises, and a
run that ends when the picture's own loss has risen as far as AbU's.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from math import isfinite
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from attribution.analysis.loss_map import RemembersUnlearned
from attribution.errors import CalibrationError, SettingsError
from attribution.gradients.query_context import TARGET_RISE, QueryContext
from attribution.methods.base import Cost, Family
from attribution.models.batch import Batch
from attribution.models.draws import stratified_draws
from attribution.models.losses import own_loss
from attribution.query import Candidates, MethodOptions, checked_draws, checked_rise
from attribution.results import Progress, Scores
from attribution.unlearning.measuring import Remeasured, measured, self_check
from attribution.unlearning.mirrored import mirrored_ascent
from attribution.unlearning.racing import Rises
from attribution.unlearning.step import Unlearned
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.baseline import known_losses
from attribution.workspace.workspace import Workspace


@dataclass(frozen=True)
class MucsOptions(MethodOptions):
    """How the second model is made.

    Attributes:
        steps: at most; it ends before when the rise is reached.
        draws: (timestep, noise) draws of each step, fresh ones, a multiple of 2.
        learning_rate: of Adam, as a share of the root mean square of each layer's weights.
        target_rise: the relative rise of the picture's own loss at which it ends.
        held_out: draws apart from the steps', on which the rise is measured.
    """

    steps: int = 40
    draws: int = 32
    learning_rate: float = 2e-3
    target_rise: float = TARGET_RISE
    held_out: int = 32

    def __post_init__(self) -> None:
        checked_draws("draws", self.draws)
        checked_draws("held_out", self.held_out)
        checked_rise(self.target_rise)
        if self.steps < 1:
            raise SettingsError(f"steps is {self.steps}: it must be at least 1")
        if not (isfinite(self.learning_rate) and self.learning_rate > 0):
            raise SettingsError(f"learning_rate is {self.learning_rate}: it must be a positive number")


class Skewed(Remeasured):
    """Of each draw how far its two losses are apart, see `skew`."""

    def worth(
        self, rows: Int[ndarray, " n"], noises: range, stage: str
    ) -> Generator[Progress, None, Rises]:
        """Yield progress; return the skew of every draw of some training images, see `of_sides`."""
        skews = yield from self.of_sides(rows, noises, stage, skew)
        return skews


@dataclass(frozen=True)
class Mucs(RemembersUnlearned):
    """The skew of each training image's losses towards the model that has unlearned the query."""

    name: str = "mucs"
    title: str = "Unlearning (MUCS)"
    description: str = (
        "By which share the loss of a training image changes when a second model unlearns this picture in "
        "many small steps, on the same noise for both."
    )
    family: Family = Family.UNLEARNING
    cost: Cost = Cost.PER_EXAMPLE
    shortlists: bool = False
    options: MucsOptions = field(default_factory=MucsOptions)

    def needs(self, workspace: Workspace) -> tuple[ArtifactKind[Any], ...]:
        return known_losses(workspace)

    def score(self, context: QueryContext, candidates: Candidates) -> Iterator[Progress | Scores]:
        workspace, settings = context.workspace, context.settings
        unlearned = yield from self.unlearn(context)
        self.remember(context, unlearned)
        weights, batch_size = unlearned.weights, context.batch_size
        measuring = partial(Skewed, self.name, weights=weights, batch_size=batch_size)
        control_rise = yield from measuring(workspace).control_rise(settings.seed)
        details: dict[str, Any] = {
            "learning_rate": unlearned.alpha,
            "steps": unlearned.trials,
            "query_loss_before": unlearned.loss_before,
            "query_loss_after": unlearned.loss_after,
            "query_rise": unlearned.rise,
            "control_rise": control_rise,
        }
        warnings = self_check(unlearned.rise, control_rise)

        for event in measured(candidates, workspace, settings, measuring):
            if isinstance(event, Scores):
                yield replace(event, details={**details, **event.details}, warnings=warnings)
            else:
                yield event

    def unlearn(self, context: QueryContext) -> Generator[Progress, None, Unlearned]:
        """Yield progress; return the second model's weights.

        Raises:
            CalibrationError: the picture's own loss has not risen at all.
        """
        model, seed, options = context.workspace.model, context.settings.seed, self._options(context)

        def draws(step: int) -> Batch:
            own = stratified_draws(model, options.draws, seed, f"mirrored unlearning {step}")
            return own.of(context.latent, context.conditioning)

        held_out = stratified_draws(model, options.held_out, seed, "calibration").of(
            context.latent, context.conditioning
        )
        yield Progress(self.name, "unlearning in small steps", 0, options.steps)
        measured_at = (held_out, context.mask, context.batch_size)
        before = own_loss(model, model.weights, *measured_at)
        unlearned = Unlearned(model.weights, options.learning_rate, before, before, 0)
        stands = mirrored_ascent(
            model, draws, options.steps, options.learning_rate, context.mask, context.batch_size
        )
        for step in stands:
            yield Progress(self.name, "unlearning in small steps", step.steps, options.steps)
            after = own_loss(model, step.weights, *measured_at)
            unlearned = Unlearned(step.weights, options.learning_rate, before, after, step.steps)
            if unlearned.rise >= options.target_rise:
                break
        if not unlearned.rise > 0:
            raise CalibrationError(
                f"{unlearned.trials} steps did not raise the picture's loss: choose another "
                "mucs.learning_rate, or more mucs.steps"
            )
        return unlearned

    def _options(self, context: QueryContext) -> MucsOptions:
        return context.settings.options_of(self)


METHODS = (Mucs(),)


def skew(before: Rises, after: Rises) -> Rises:
    """Of each draw's two losses: 0 where they are the same, towards 1 where the second is far larger."""
    total = after + before
    skews: Rises = np.divide(after - before, total, out=np.zeros_like(total), where=total > 0)
    return skews

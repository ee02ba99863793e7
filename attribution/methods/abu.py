"""AbU: attribution by unlearning (Wang et al., NeurIPS 2024).

Unlearn the picture, and see which training images are forgotten with it: the score of a training
image is the rise of its own loss, `tau_i = L(z_i; theta_u) - L(z_i; theta_0)`, with the same noises
and timesteps on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from math import isfinite
from typing import Any

from torch import Tensor

from attribution.analysis.loss_map import RemembersUnlearned
from attribution.errors import SettingsError
from attribution.gradients.curvature import Curvature
from attribution.gradients.query_context import GRADIENT_DRAWS, TARGET_RISE, QueryContext
from attribution.gradients.stored import curvature_needs, damped_curvature
from attribution.methods.base import Cost, Family
from attribution.models.draws import stratified_draws
from attribution.query import Candidates, MethodOptions, checked_draws, checked_rise
from attribution.results import Progress, Scores
from attribution.unlearning import step as unlearning
from attribution.unlearning.calibration import MAX_TRIALS, calibrated_step, linear_step
from attribution.unlearning.holding import gradients_outside, held
from attribution.unlearning.measuring import Remeasured, measured, self_check
from attribution.unlearning.parts import Measuring
from attribution.unlearning.step import Unlearned
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.baseline import known_losses
from attribution.workspace.workspace import Workspace


@dataclass(frozen=True)
class AbUOptions(MethodOptions):
    """How the picture is unlearned.

    Attributes:
        draws: (timestep, noise) draws of the unlearning gradient, a multiple of 2.
        calibration_draws: draws held out from the gradient, on which the step is calibrated.
        target_rise: the relative rise of the query's own loss that the step is calibrated to.
        alpha: a fixed step as in AbU eq. 6, without damping or calibration; None to calibrate.
        damping: added to the Fisher information, as a share of its mean in each layer.
        held: draws of what lies outside of a box, a multiple of 2, that the step is kept from moving; 0 to
            let it move, as AbU does.
    """

    draws: int = GRADIENT_DRAWS
    calibration_draws: int = 32
    target_rise: float = TARGET_RISE
    alpha: float | None = None
    damping: float = 0.1
    held: int = 0

    def __post_init__(self) -> None:
        checked_draws("draws", self.draws)
        checked_draws("calibration_draws", self.calibration_draws)
        checked_rise(self.target_rise)
        if self.held:
            checked_draws("held", self.held)
        if not self.damping >= 0:
            raise SettingsError(f"damping is {self.damping}: it must not be negative")
        if self.alpha is not None and not (isfinite(self.alpha) and self.alpha > 0):
            raise SettingsError(f"alpha is {self.alpha}: it must be a positive number")


@dataclass(frozen=True)
class AbU(RemembersUnlearned):
    """One natural-gradient step on key and value projections.

    Attributes:
        curvature: the Fisher information as its diagonal ("fisher") or as EK-FAC ("ekfac").
    """

    name: str = "abu"
    title: str = "Unlearning (AbU)"
    description: str = (
        "How much the loss of a training image rises when the model unlearns this picture: "
        "what was forgotten with it."
    )
    curvature: str = "fisher"
    family: Family = Family.UNLEARNING
    cost: Cost = Cost.PER_EXAMPLE
    shortlists: bool = False
    options: AbUOptions = field(default_factory=AbUOptions)

    def needs(self, workspace: Workspace) -> tuple[ArtifactKind[Any], ...]:
        return (*known_losses(workspace), *curvature_needs(self.curvature))

    def score(self, context: QueryContext, candidates: Candidates) -> Iterator[Progress | Scores]:
        workspace, options = context.workspace, context.settings.options_of(self)
        unlearned = yield from self.unlearn(context)
        self.remember(context, unlearned)
        details: dict[str, Any] = {
            "alpha": unlearned.alpha,
            "curvature": self.curvature,
            "damping": 0.0 if options.alpha else options.damping,
            "query_loss_before": unlearned.loss_before,
            "query_loss_after": unlearned.loss_after,
            "query_rise": unlearned.rise,
            "calibration_trials": unlearned.trials,
        }
        candidates = yield from self.promising(context, unlearned, candidates)
        measuring = self.measuring(context, unlearned)
        warnings: tuple[str, ...] | None = None
        judged: Callable[[Scores], Scores] = unjudged
        for event in measured(candidates, workspace, context.settings, measuring):
            if not isinstance(event, Scores):
                yield event
                continue
            if warnings is None:  # what is to be seen first does not wait for the check
                yield replace(event, details={**details, **event.details}, final=False)
                remeasured = self._remeasured(context, unlearned)(workspace)
                details["control_rise"] = yield from remeasured.control_rise(context.settings.seed)
                warnings = self_check(unlearned.rise, details["control_rise"])
                judged = yield from self.judging(context, unlearned)
            yield judged(replace(event, details={**details, **event.details}, warnings=warnings))

    def promising(
        self, context: QueryContext, unlearned: Unlearned, candidates: Candidates
    ) -> Generator[Progress, None, Candidates]:
        """Yield progress; return the images that are measured, best first: those that were given."""
        yield from ()
        return candidates

    def measuring(self, context: QueryContext, unlearned: Unlearned) -> Measuring:
        """What each draw of a training image is worth: the rise of its loss."""
        return self._remeasured(context, unlearned)

    def judging(
        self, context: QueryContext, unlearned: Unlearned
    ) -> Generator[Progress, None, Callable[[Scores], Scores]]:
        """Yield progress; return what adds to scores how far they stand out of their nulls, if known."""
        yield from ()
        return unjudged

    def _remeasured(self, context: QueryContext, unlearned: Unlearned) -> Callable[[Workspace], Remeasured]:
        return partial(Remeasured, self.name, weights=unlearned.weights, batch_size=context.batch_size)

    def unlearn(self, context: QueryContext) -> Generator[Progress, None, Unlearned]:
        """Yield progress; return the weights that have forgotten the query."""
        workspace, options = context.workspace, context.settings.options_of(self)
        model, seed = workspace.model, context.settings.seed
        gradient = yield from context.watched_gradient(self.name, options.draws)
        damping = 0.0 if options.alpha else options.damping  # --alpha is the paper's own step
        curvature = damped_curvature(workspace, self.curvature, damping)
        ascended = yield from self._holding(context, gradient.mean, curvature)
        direction = unlearning.ascent_direction(ascended, curvature, len(workspace.training_set))
        draws = stratified_draws(model, options.calibration_draws, seed, "calibration")
        held_out = draws.of(context.latent, context.conditioning)
        if options.alpha is not None:
            return unlearning.fixed_step(
                model, direction, held_out, options.alpha, context.mask, context.batch_size
            )
        guess = linear_step(gradient, direction, options.target_rise)
        trials = calibrated_step(
            model, direction, held_out, options.target_rise, context.mask, guess, context.batch_size
        )
        for trial, unlearned in trials:
            if unlearned is not None:
                return unlearned
            yield Progress(self.name, "calibrating the step", trial, MAX_TRIALS)
        raise AssertionError("calibration ends with a result or an error")

    def _holding(
        self, context: QueryContext, gradient: Mapping[str, Tensor], curvature: Curvature
    ) -> Generator[Progress, None, Mapping[str, Tensor]]:
        """Yield progress; return the gradient, less what would move the picture outside of its box."""
        draws, mask = context.settings.options_of(self).held, context.mask
        if not draws or mask is None or mask.all():
            return gradient
        yield Progress(self.name, "holding what lies outside of the box", 0, draws)
        model = context.workspace.model
        batch = stratified_draws(model, draws, context.settings.seed, "holding")
        outside = gradients_outside(
            model, batch.of(context.latent, context.conditioning), mask, context.batch_size
        )
        return held(gradient, outside, curvature)


def unjudged(scores: Scores) -> Scores:
    """Return scores of which nobody knows what they would be by chance."""
    return scores


METHODS = (
    AbU(),
    AbU(  # AbU with EK-FAC in place of the diagonal Fisher information (FastGDA, NeurIPS 2025)
        name="abu-plus",
        title="Unlearning (AbU+)",
        description="The same with EK-FAC curvature: unlearning that knows which weights move together.",
        curvature="ekfac",
    ),
)

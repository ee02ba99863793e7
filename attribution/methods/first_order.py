"""First order: AbU+ for a small step, for all training images at once.

One gradient of the query and one inner product per training image: see `attribution.gradients.linearised`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from attribution.analysis.significance import CONTROLS, Judgement, Null, judgement
from attribution.gradients.curvature import Gradient
from attribution.gradients.draw_gradient import QueryGradient
from attribution.gradients.linearised import Prediction
from attribution.gradients.query_context import GRADIENT_DRAWS, TARGET_RISE, QueryContext
from attribution.gradients.stored import EKFAC, GRADIENTS, KFAC
from attribution.methods.base import Cost, Family
from attribution.query import Candidates, MethodOptions, Settings, checked_draws, checked_rise
from attribution.results import Progress, Scores
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.workspace import Workspace

LOOKS = 4  # every first quarter, half, ... of the draws is shown


@dataclass(frozen=True)
class GradientOptions(MethodOptions):
    """The query's own gradient.

    Attributes:
        draws: (timestep, noise) draws of it, a multiple of 2.
    """

    draws: int = GRADIENT_DRAWS

    def __post_init__(self) -> None:
        checked_draws("draws", self.draws)


@dataclass(frozen=True)
class ByGradient:
    """What ranks all training images by one inner product each with the query's gradient.

    A method says what is predicted of a gradient (`predicted`) and, where its scores have nulls of their
    own, how far they stand out of them (`judged`).
    """

    name: str
    title: str
    description: str
    options: GradientOptions
    shortlists: bool = False
    family: Family = Family.INFLUENCE
    cost: Cost = Cost.GRADIENT

    def predicted(
        self, context: QueryContext, gradient: Gradient, loss: float, rows: Int[ndarray, " k"]
    ) -> Prediction:
        """Return the scores of some rows; `loss` is the query's own, on the draws of the gradient."""
        raise NotImplementedError

    def judged(self, context: QueryContext, gradient: QueryGradient) -> Judgement | None:
        """Return how far images stand out of their own nulls; None of scores that have none."""
        return None

    def needs(self, workspace: Workspace) -> tuple[ArtifactKind[Any], ...]:
        return (KFAC, EKFAC, GRADIENTS)

    def score(self, context: QueryContext, candidates: Candidates) -> Iterator[Progress | Scores]:
        draws, shown = context.settings.options_of(self).draws, 0
        yield Progress(self.name, "computing the gradient", 0, draws)
        for gradient in context.gradients(draws):
            yield Progress(self.name, "computing the gradient", gradient.draws, gradient.total)
            if gradient.draws * LOOKS >= gradient.total * (shown + 1):
                shown += 1
                yield self._scores(context, gradient, candidates)

    def _scores(self, context: QueryContext, gradient: QueryGradient, candidates: Candidates) -> Scores:
        predicted = self.predicted(context, gradient.mean, gradient.loss, candidates.rows)
        details: dict[str, Any] = {} if predicted.alpha is None else {"alpha": predicted.alpha}
        details |= {"query_loss_before": gradient.loss, "gradient_draws": gradient.draws}
        final = gradient.draws == gradient.total
        if final and gradient.halves is not None:
            details["unlearning_seed_spread"] = self._seed_spread(context, gradient, candidates)
        judged = self.judged(context, gradient) if final else None
        return Scores(
            candidates.rows,
            predicted.values,
            predicted.stderr,
            details | (judged.details() if judged else {}),
            final=final,
            z=judged.z[candidates.rows] if judged else None,
        )

    def _seed_spread(self, context: QueryContext, gradient: QueryGradient, candidates: Candidates) -> float:
        """How far another seed of the unlearning draws would move the scores ranked first: one deviation.

        Apart from the standard errors, which hold for the draws as they are. From two halves of the draws:
        half their difference has the deviation of the whole.
        """
        assert gradient.halves is not None
        one, other = (
            self.predicted(context, half, gradient.loss, candidates.rows).values for half in gradient.halves
        )
        first = np.argsort(-(one + other))[: context.settings.top_k]
        return float(np.sqrt(np.mean(((one - other)[first] / 2) ** 2)))


@dataclass(frozen=True)
class FirstOrderOptions(GradientOptions):
    """How far first order looks.

    Attributes:
        target_rise: the relative rise of the query's own loss at which scores are given.
    """

    target_rise: float = TARGET_RISE

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_rise(self.target_rise)


@dataclass(frozen=True)
class FirstOrderMethod(ByGradient):
    """The rise of each training image's loss, predicted by the gradients."""

    name: str = "first-order"
    title: str = "First order"
    description: str = (
        "The same question answered by gradients alone, for every training image at once: "
        "how much its loss would rise, to first order."
    )
    options: FirstOrderOptions = field(default_factory=FirstOrderOptions)
    shortlists: bool = True

    def null(self, workspace: Workspace, settings: Settings) -> Null | None:
        """Return what control queries scored."""
        return workspace.load(CONTROLS) if workspace.has(CONTROLS) else None

    def predicted(
        self, context: QueryContext, gradient: Gradient, loss: float, rows: Int[ndarray, " k"]
    ) -> Prediction:
        rise = context.settings.options_of(self).target_rise
        return context.workspace.load(GRADIENTS).predict(gradient, loss, rise, rows)

    def judged(self, context: QueryContext, gradient: QueryGradient) -> Judgement | None:
        rise = context.settings.options_of(self).target_rise
        return judgement(context.workspace, gradient, rise)


METHODS = (FirstOrderMethod(),)

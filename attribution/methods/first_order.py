"""First order: AbU+ for a small step, for all training images at once.

One gradient of the query and one inner product per training image: see `attribution.gradients.linearised`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from attribution.analysis.significance import judgement
from attribution.gradients.draw_gradient import QueryGradient
from attribution.gradients.query_context import GRADIENT_DRAWS, TARGET_RISE, QueryContext
from attribution.gradients.stored import EKFAC, GRADIENTS, KFAC
from attribution.methods.base import Cost
from attribution.query import Candidates, MethodOptions, checked_draws, checked_rise
from attribution.results import Progress, Scores
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.workspace import Workspace

LOOKS = 4  # every first quarter, half, ... of the draws is shown


@dataclass(frozen=True)
class FirstOrderOptions(MethodOptions):
    """How far first order looks.

    Attributes:
        draws: (timestep, noise) draws of the query's gradient, a multiple of 2.
        target_rise: the relative rise of the query's own loss at which scores are given.
    """

    draws: int = GRADIENT_DRAWS
    target_rise: float = TARGET_RISE

    def __post_init__(self) -> None:
        checked_draws("draws", self.draws)
        checked_rise(self.target_rise)


@dataclass(frozen=True)
class FirstOrderMethod:
    """The rise of each training image's loss, predicted by the gradients."""

    name: str = "first-order"
    title: str = "First order"
    description: str = (
        "The same question answered by gradients alone, for every training image at once: "
        "how much its loss would rise, to first order."
    )
    cost: Cost = Cost.GRADIENT
    shortlists: bool = True
    options: FirstOrderOptions = field(default_factory=FirstOrderOptions)

    def needs(self, workspace: Workspace) -> tuple[ArtifactKind[Any], ...]:
        return (KFAC, EKFAC, GRADIENTS)

    def score(self, context: QueryContext, candidates: Candidates) -> Iterator[Progress | Scores]:
        options, shown = context.settings.options_of(self), 0
        yield Progress(self.name, "computing the gradient", 0, options.draws)
        for gradient in context.gradients(options.draws):
            yield Progress(self.name, "computing the gradient", gradient.draws, gradient.total)
            if gradient.draws * LOOKS >= gradient.total * (shown + 1):
                shown += 1
                yield _scores(context, gradient, options.target_rise, candidates)


def _scores(context: QueryContext, gradient: QueryGradient, rise: float, candidates: Candidates) -> Scores:
    workspace = context.workspace
    predicted = workspace.load(GRADIENTS).predict(gradient.mean, gradient.loss, rise, candidates.rows)
    details: dict[str, Any] = {
        "alpha": predicted.alpha,
        "query_loss_before": gradient.loss,
        "gradient_draws": gradient.draws,
    }
    final = gradient.draws == gradient.total
    if final and gradient.halves is not None:
        details["unlearning_seed_spread"] = _seed_spread(context, gradient, rise, candidates)
    judged = judgement(workspace, gradient, rise) if final else None
    return Scores(
        candidates.rows,
        predicted.values,
        predicted.stderr,
        details | (judged.details() if judged else {}),
        final=final,
        z=judged.z[candidates.rows] if judged else None,
    )


def _seed_spread(
    context: QueryContext, gradient: QueryGradient, rise: float, candidates: Candidates
) -> float:
    """How far another seed of the unlearning draws would move the scores ranked first: one deviation.

    Apart from the standard errors, which hold for the draws as they are. From two halves of the draws:
    half their difference has the deviation of the whole.
    """
    assert gradient.halves is not None
    predict = context.workspace.load(GRADIENTS).predict
    one, other = (predict(half, gradient.loss, rise, candidates.rows).values for half in gradient.halves)
    first = np.argsort(-(one + other))[: context.settings.top_k]
    return float(np.sqrt(np.mean(((one - other)[first] / 2) ** 2)))


METHODS = (FirstOrderMethod(),)

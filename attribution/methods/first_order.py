"""First order: AbU+ for a small step, for all training images at once.

One gradient of the query and one inner product per training image: see `attribution.gradients.linearised`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from attribution.gradients.draw_gradient import QueryGradient
from attribution.gradients.query_gradient import query_gradient, verdicts
from attribution.query import Candidates, Query, Settings
from attribution.results import Progress, Scores
from attribution.workspace.workspace import Workspace

LOOKS = 4  # every first quarter, half, ... of the draws is shown


@dataclass(frozen=True)
class FirstOrderMethod:
    """The rise of each training image's loss, predicted by the gradients."""

    name: str = "first-order"
    title: str = "First order"
    description: str = (
        "The same question answered by gradients alone, for every training image at once: "
        "how much its loss would rise, to first order."
    )
    slow: bool = False

    def needs(self, workspace: Workspace) -> tuple[str, ...]:
        return ("kfac", "ekfac", "gradients")

    def score(
        self, workspace: Workspace, query: Query, settings: Settings, candidates: Candidates
    ) -> Iterator[Progress | Scores]:
        yield Progress(self.name, "computing the gradient", 0, settings.unlearning_draws)
        shown = 0
        for gradient in query_gradient(workspace, query, settings):
            yield Progress(self.name, "computing the gradient", gradient.draws, gradient.total)
            if gradient.draws * LOOKS >= gradient.total * (shown + 1):
                shown += 1
                yield _scores(workspace, gradient, settings, candidates)


def _scores(
    workspace: Workspace, gradient: QueryGradient, settings: Settings, candidates: Candidates
) -> Scores:
    predicted = workspace.first_order().predict(
        gradient.mean, gradient.loss, settings.target_rise, candidates.rows
    )
    details: dict[str, Any] = {
        "alpha": predicted.alpha,
        "query_loss_before": gradient.loss,
        "gradient_draws": gradient.draws,
    }
    final = gradient.draws == gradient.total
    if final and gradient.halves is not None:
        details["unlearning_seed_spread"] = _seed_spread(workspace, gradient, settings, candidates)
    judged = verdicts(workspace, gradient, settings) if final else None
    return Scores(
        candidates.rows,
        predicted.values,
        predicted.stderr,
        details | (judged.details() if judged else {}),
        final=final,
        z=judged.z[candidates.rows] if judged else None,
    )


def _seed_spread(
    workspace: Workspace, gradient: QueryGradient, settings: Settings, candidates: Candidates
) -> float:
    """How far another seed of the unlearning draws would move the scores ranked first: one deviation.

    Apart from the standard errors, which hold for the draws as they are. From two halves of the draws:
    half their difference has the deviation of the whole.
    """
    assert gradient.halves is not None
    predict, rise = workspace.first_order().predict, settings.target_rise
    one, other = (predict(half, gradient.loss, rise, candidates.rows).values for half in gradient.halves)
    first = np.argsort(-(one + other))[: settings.top_k]
    return float(np.sqrt(np.mean(((one - other)[first] / 2) ** 2)))


METHOD = FirstOrderMethod()

"""First order: AbU+ for a small step, for all training images at once.

One gradient of the query and one inner product per training image: see `attribution.gradients`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attribution.asking import query_gradient, verdicts
from attribution.query import Query, Settings
from attribution.results import Progress, Scores
from attribution.unlearning import QueryGradient
from attribution.workspace import Workspace

if TYPE_CHECKING:
    from attribution.engine import Candidates

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
    details = {
        "alpha": predicted.alpha,
        "query_loss_before": gradient.loss,
        "gradient_draws": gradient.draws,
    }
    final = gradient.draws == gradient.total
    judged = verdicts(workspace, gradient, settings) if final else None
    return Scores(
        candidates.rows,
        predicted.values,
        predicted.stderr,
        details | (judged.details() if judged else {}),
        final=final,
        z=judged.z[candidates.rows] if judged else None,
    )


METHOD = FirstOrderMethod()

"""DAS, the diffusion attribution score (Lin et al., ICLR 2025, arXiv 2410.18639).

How far the prediction for the query would move without a training image: not its loss, as TRAK asks, but
`|| eps_theta(q) - eps_theta_without_i(q) ||^2` (eq. 9). With the prediction linear in the weights, and one
Newton step for leaving an image out (eq. 16),

    tau(q, i) = || g_q^T (G^T G + n lambda I)^-1 g_i r_i / (1 - h_i) ||^2,
    h_i = g_i^T (G^T G + n lambda I)^-1 g_i,

g the projected gradient of the prediction over all weights, r_i how far the prediction for i is from its
target, h_i the leverage. In the form that the paper evaluates: g is of the mean of what is predicted (a
gradient for every number of it would be thousands); the expectation over timesteps is taken inside the
norm, each timestep's g brought to length 1 before, so that one kernel serves all of them (section 4.3);
`|| r_i ||^2` is then the mean loss over the same draws.

The paper's full text was not at hand: that eq. 9 leads to eq. 16 and that the expectation stands inside the
norm were found in what others say of it; the leverage, the lengths of 1, the section named for them and the
mean loss as residual are our reading.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from attribution.analysis.kernel_null import held_against, kernel_null
from attribution.analysis.significance import Null
from attribution.gradients.features import DAS, WithResiduals
from attribution.gradients.query_context import QueryContext
from attribution.gradients.whole import balanced_gradient, probe_batch
from attribution.methods.base import Cost, Family
from attribution.methods.trak import TrakOptions
from attribution.models.base import Objective
from attribution.models.draws import Probe
from attribution.query import Candidates, Settings
from attribution.results import Progress, Scores
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.workspace import Workspace


@dataclass(frozen=True)
class DiffusionAttributionScore:
    """The squared change of the query's prediction; never negative, and without a standard error."""

    name: str = "das"
    title: str = "DAS"
    description: str = (
        "How far the model's prediction for this picture would move without the training image, "
        "to first order in all weights."
    )
    cost: Cost = Cost.GRADIENT
    family: Family = Family.INFLUENCE
    shortlists: bool = False
    options: TrakOptions = field(default_factory=TrakOptions)

    def needs(self, workspace: Workspace) -> tuple[ArtifactKind[Any], ...]:
        return (DAS,)

    def score(self, context: QueryContext, candidates: Candidates) -> Iterator[Progress | Scores]:
        options, workspace = context.settings.options_of(self), context.workspace
        yield Progress(self.name, "projecting the gradient", 0, 1)
        stored, model, rows = workspace.load(DAS), workspace.model, candidates.rows
        features, levels = stored.features, len(stored.features.timesteps)
        probe = Probe(features.timesteps, options.noises, context.settings.seed)
        batch = probe_batch(model, context.latent, context.conditioning, "query", probe)
        _, query = balanced_gradient(
            model, batch, Objective.MEAN_OUTPUT, features.sketch, levels, context.mask, context.batch_size
        )
        yield Progress(self.name, "projecting the gradient", 1, 1)
        null = self.null(workspace, context.settings)
        scored = rows if null is None else np.arange(len(features.lengths))
        kernel = features.scores(query.numpy()[None], scored, options.damping)[0]
        details = {
            "dimensions": features.sketch.dimensions,
            "damping": options.damping,
            "noises": options.noises,
            "timesteps": list(features.timesteps),
        }
        values = _moved(stored, kernel[:, None], scored, options.damping)[:, 0]
        found = Scores(scored, values, None, details)
        yield found if null is None else held_against(null, found, rows)

    def null(self, workspace: Workspace, settings: Settings) -> Null | None:
        """Return what the score is of pictures that have nothing to do with a training image."""
        stored, damping = workspace.load(DAS), settings.options_of(self).damping

        def scores_under(rows: Int[ndarray, " controls"]) -> Float[ndarray, "n controls"]:
            kernel = stored.features.scores_under(rows, damping)
            return _moved(stored, kernel, np.arange(len(kernel)), damping)

        key = f"{self.name} {workspace.artifact(DAS).checksum} {damping}"
        return kernel_null(workspace, key, scores_under)


def _moved(
    stored: WithResiduals, kernel: Float[ndarray, "k queries"], rows: Int[ndarray, " k"], damping: float
) -> Float[ndarray, "k queries"]:
    """How far the predictions for queries would move without the training images in some rows: eq. 16."""
    residuals = stored.residuals[rows] / (1 - stored.features.leverages(rows, damping))
    found: Float[ndarray, "k queries"] = (kernel / len(stored.residuals) * residuals[:, None]) ** 2
    return found


METHODS = (DiffusionAttributionScore(),)

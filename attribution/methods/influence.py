"""The influence function, with EK-FAC for curvature and every gradient in full.

How much a training image's loss would rise if the picture were unlearned by an infinitely small step:

    <g_i, (F + delta)^-1 g_q>

(Koh & Liang 2017, eq. 2, with the training image and the query in each other's place, which changes no
number; with EK-FAC for large models Grosse et al. 2023, arXiv 2308.03296, section 3.1; for diffusion models
Mlodozeniec et al., ICLR 2025).

First order asks the same of gradients that were sketched beforehand, for all images at once. Here nothing
is sketched, and nothing but the curvature precomputed: every draw of an image is differentiated now, and
meets the one direction `(F + delta)^-1 g_q` before its gradient is ever formed. So the errors are those of
the noise alone, and layers that read more than captions cost no memory. Scores are at the matched step, in
the unit of first order and of AbU+, whose limit for a small step they are.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from attribution.errors import SettingsError
from attribution.gradients.draw_gradient import BACKWARD, BLOCK
from attribution.gradients.per_example import product_sweep
from attribution.gradients.query_context import GRADIENT_DRAWS, TARGET_RISE, QueryContext
from attribution.gradients.stored import EKFAC, KFAC, damped_curvature
from attribution.methods.base import Cost, Family
from attribution.models.base import Weights
from attribution.query import Candidates, MethodOptions, checked_draws, checked_rise
from attribution.results import Progress, Scores
from attribution.unlearning.calibration import linear_step
from attribution.unlearning.measuring import encoded, measured
from attribution.unlearning.racing import Rises
from attribution.unlearning.step import ascent_direction
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.baseline import training_inputs
from attribution.workspace.workspace import Workspace


@dataclass(frozen=True)
class InfluenceOptions(MethodOptions):
    """Which derivative is taken.

    Attributes:
        draws: (timestep, noise) draws of the query's gradient, a multiple of 2.
        target_rise: the relative rise of the query's own loss at which scores are given.
        damping: added to the eigenvalues, as a share of their mean in each layer.
    """

    draws: int = GRADIENT_DRAWS
    target_rise: float = TARGET_RISE
    damping: float = 0.1

    def __post_init__(self) -> None:
        checked_draws("draws", self.draws)
        checked_rise(self.target_rise)
        if not self.damping >= 0:
            raise SettingsError(f"damping is {self.damping}: it must not be negative")


@dataclass(frozen=True)
class Products:
    """The rise of every draw's loss to first order, at the matched step.

    Attributes:
        method: in whose name progress is yielded.
        direction: `(F + delta)^-1 g_q / N`.
        alpha: how far along it.
        batch_size: of forward passes; of those that are differentiated at most `BLOCK`.
    """

    method: str
    workspace: Workspace
    direction: Weights
    alpha: float
    batch_size: int

    def worth(
        self, rows: Int[ndarray, " n"], noises: range, stage: str
    ) -> Generator[Progress, None, Rises]:
        """Yield progress; return each draw's product of its gradient with the direction."""
        workspace, batch_size = self.workspace, min(self.batch_size, BLOCK)
        probe, model = workspace.probe, workspace.model
        yield from encoded(self.method, workspace, rows, self.batch_size)
        latents, captions, ids = training_inputs(workspace, rows)
        total = len(rows) * len(probe.timesteps) * len(noises)
        products = np.empty(0)
        yield Progress(self.method, stage, 0, total)
        for done, products in product_sweep(
            model, self.direction, latents, captions, ids, probe, noises, batch_size
        ):
            yield Progress(self.method, stage, done, total)
        rises: Rises = self.alpha * products
        return rises

    def draws_of(self, noises: range) -> int:
        """What one image takes, in forward passes."""
        return BACKWARD * len(self.workspace.probe.timesteps) * len(noises)


@dataclass(frozen=True)
class Influence:
    """The derivative of each training image's loss along the query's unlearning step."""

    name: str = "influence"
    title: str = "Influence (EK-FAC)"
    description: str = (
        "The influence function in full: each training image's own gradient along the step that unlearns "
        "this picture, computed now and not sketched."
    )
    family: Family = Family.INFLUENCE
    cost: Cost = Cost.PER_EXAMPLE
    shortlists: bool = False
    options: InfluenceOptions = field(default_factory=InfluenceOptions)

    def needs(self, workspace: Workspace) -> tuple[ArtifactKind[Any], ...]:
        return (KFAC, EKFAC)

    def score(self, context: QueryContext, candidates: Candidates) -> Iterator[Progress | Scores]:
        workspace, options = context.workspace, context.settings.options_of(self)
        gradient = yield from context.watched_gradient(self.name, options.draws)
        curvature = damped_curvature(workspace, EKFAC.name, options.damping)
        direction = ascent_direction(gradient.mean, curvature, len(workspace.training_set))
        alpha = linear_step(gradient, direction, options.target_rise)
        details: dict[str, Any] = {
            "alpha": alpha,
            "curvature": EKFAC.name,
            "damping": options.damping,
            "query_loss_before": gradient.loss,
            "gradient_draws": gradient.draws,
        }

        measuring = partial(
            Products, self.name, direction=direction, alpha=alpha, batch_size=context.batch_size
        )
        for event in measured(candidates, workspace, context.settings, measuring):
            if isinstance(event, Scores):
                yield replace(event, details={**details, **event.details})
            else:
                yield event


METHODS = (Influence(),)

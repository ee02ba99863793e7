"""TRAK (Park et al. 2023, arXiv 2303.14186) and D-TRAK (Zheng et al. 2024, arXiv 2311.00500).

With the features `phi = P^T grad_theta f` over all weights, f a mean over draws, the score is

    tau(q, i) = phi_q^T (Phi^T Phi / n + lambda I)^-1 phi_i,

averaged over checkpoints where a workspace has several. f is the training loss (TRAK as D-TRAK's paper
takes it to diffusion: TRAK's own weighting by 1 - p is of classifiers) or, for D-TRAK, the square of what
the denoiser predicts, on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, Int
from numpy import ndarray

from attribution.analysis.kernel_null import held_against, kernel_null
from attribution.analysis.significance import Null
from attribution.errors import SettingsError
from attribution.gradients.features import D_TRAK, DAMPING, TRAK, Features
from attribution.gradients.query_context import QueryContext
from attribution.gradients.whole import probe_batch, projected_gradient
from attribution.methods.base import Cost, Family
from attribution.models.base import Objective
from attribution.models.batch import Batch
from attribution.models.draws import Probe
from attribution.query import Candidates, MethodOptions, Settings
from attribution.results import Progress, Scores
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.cache import Cache
from attribution.workspace.workspace import Workspace

QueryFeatures = Float64[ndarray, "noises dimensions"]


@dataclass(frozen=True)
class TrakOptions(MethodOptions):
    """How projected gradients are compared.

    Attributes:
        noises: of the query's gradient, at each timestep of the probe; two or more give a standard error.
        damping: lambda as a share of the mean eigenvalue of `Phi^T Phi / n`.
    """

    noises: int = 4
    damping: float = DAMPING

    def __post_init__(self) -> None:
        if self.noises < 1:
            raise SettingsError(f"noises is {self.noises}: it must be at least 1")
        if not (isfinite(self.damping) and self.damping > 0):
            raise SettingsError(f"damping is {self.damping}: it must be a positive number")


@dataclass(frozen=True)
class Trak:
    """The kernel of projected gradients.

    Attributes:
        kind: the training images' features.
        objective: what the query's gradient is of, as theirs are.
    """

    name: str
    title: str
    description: str
    kind: ArtifactKind[Features]
    objective: Objective
    cost: Cost = Cost.GRADIENT
    family: Family = Family.INFLUENCE
    shortlists: bool = False
    options: TrakOptions = field(default_factory=TrakOptions)

    def needs(self, workspace: Workspace) -> tuple[ArtifactKind[Any], ...]:
        return of_checkpoints(self.kind, workspace)

    def score(self, context: QueryContext, candidates: Candidates) -> Iterator[Progress | Scores]:
        options, kinds = context.settings.options_of(self), self.needs(context.workspace)
        damping = options.damping

        def soon(first: QueryFeatures) -> Scores:
            return replace(kernel_scores(context, candidates.rows, kinds, [first], damping), final=False)

        queries = []
        for number, kind in enumerate(kinds):
            shown = soon if len(kinds) == 1 else None
            asked = self._query(context, kind, options.noises, number, len(kinds), shown)
            queries.append((yield from asked))
        null = self.null(context.workspace, context.settings)
        if null is None:
            yield kernel_scores(context, candidates.rows, kinds, queries, damping)
        else:
            of_all = np.arange(len(context.workspace.training_set))
            every = kernel_scores(context, of_all, kinds, queries, damping)
            yield held_against(null, every, candidates.rows)

    def null(self, workspace: Workspace, settings: Settings) -> Null | None:
        """Return what the kernel says of pictures that have nothing to do with a training image."""
        kinds, damping = self.needs(workspace), settings.options_of(self).damping
        loaded = [workspace.load(kind) for kind in kinds]

        def scores_under(rows: Int[ndarray, " controls"]) -> Float[ndarray, "n controls"]:
            found: Float[ndarray, "n controls"] = np.mean(
                [each.scores_under(rows, damping) for each in loaded], axis=0
            )
            return found

        checksums = " ".join(workspace.artifact(kind).checksum for kind in kinds)
        return kernel_null(workspace, f"{self.name} {checksums} {damping}", scores_under)

    def _query(
        self,
        context: QueryContext,
        kind: ArtifactKind[Features],
        noises: int,
        number: int,
        kinds: int,
        shown: Callable[[QueryFeatures], Scores] | None,
    ) -> Generator[Progress | Scores, None, QueryFeatures]:
        """Yield progress; return the query's feature with each noise by itself.

        Args:
            shown: makes a first answer of the feature with the first noise.
        """
        workspace, stage = context.workspace, "projecting the gradient"
        remembered: Cache[QueryFeatures] = workspace.cache("query features")
        options = context.settings.options_of(self)
        key = f"{self.name} {context.key} {kind.folder} {workspace.artifact(kind).checksum} {options}"
        known = remembered.get(key)
        if known is not None:
            return known
        yield Progress(self.name, stage, number * noises, kinds * noises)
        model, features = workspace.checkpoint(kind.checkpoint), workspace.load(kind)
        batch = yield from self._draws(context, features.timesteps, noises)
        rows: list[ndarray] = []
        for k in range(noises):
            part = batch[k::noises]  # every place once
            given = (model, part, self.objective, features.sketch, context.mask, context.batch_size)
            rows.append(projected_gradient(*given)[1].numpy())
            yield Progress(self.name, stage, number * noises + k + 1, kinds * noises)
            if shown is not None and k == 0 < noises - 1:
                yield shown(np.stack(rows))
        found = np.stack(rows)
        remembered.put(key, found)
        return found

    def _draws(
        self, context: QueryContext, timesteps: tuple[int, ...], noises: int
    ) -> Generator[Progress, None, Batch]:
        """Yield progress; return the draws of the query, with all noises of one place after the other."""
        yield from ()
        probe = Probe(timesteps, noises, context.settings.seed)
        return probe_batch(context.workspace.model, context.latent, context.conditioning, "query", probe)


def of_checkpoints(
    kind: ArtifactKind[Features], workspace: Workspace
) -> tuple[ArtifactKind[Features], ...]:
    """Return a kind for the model and for each of a workspace's checkpoints."""
    return (kind, *(kind.of(name) for name in workspace.config.checkpoints))


def kernel_scores(
    context: QueryContext,
    rows: Int[ndarray, " k"],
    kinds: tuple[ArtifactKind[Features], ...],
    queries: list[QueryFeatures],
    damping: float,
) -> Scores:
    """Return the mean over checkpoints of the kernel, with the standard error of the query's noise.

    Args:
        queries: of each kind, the query's feature with each noise by itself.
    """
    loaded = [context.workspace.load(kind) for kind in kinds]
    of_noises = np.mean(
        [each.scores(own, rows, damping) for each, own in zip(loaded, queries, strict=True)],
        axis=0,
    )
    noises = len(of_noises)
    stderr = None if noises < 2 else of_noises.std(axis=0, ddof=1) / np.sqrt(noises)
    details = {
        "checkpoints": [kind.checkpoint for kind in kinds],
        "dimensions": loaded[0].sketch.dimensions,
        "damping": damping,
        "noises": noises,
    }
    return Scores(rows, of_noises.mean(axis=0), stderr, details)


METHODS = (
    Trak(
        name="trak",
        title="TRAK",
        description=(
            "How alike the gradients of the two losses are, over all weights of the model: projected at "
            "random, and weighed by how training images share them."
        ),
        kind=TRAK,
        objective=Objective.LOSS,
    ),
    Trak(
        name="d-trak",
        title="D-TRAK",
        description="TRAK with the gradient of the squared prediction in place of the loss.",
        kind=D_TRAK,
        objective=Objective.SQUARED_OUTPUT,
    ),
)

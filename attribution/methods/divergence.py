"""Attribution by unlearning, measured by what the model predicts and not by its loss.

The picture is unlearned as by AbU+ (Wang et al., NeurIPS 2024, with EK-FAC). A training image's score is
not the rise of its loss but how far the model's predictions for it move
(`attribution.unlearning.movement`): a few draws measure it, where the rise is mostly the luck of the draw.
Where images are raced, those come first whose captions are read otherwise by the model that has unlearned
(`attribution.unlearning.caption_change`).

An image that the model does not know, being none of those that it was trained on, has a large loss, and
its predictions are moved by almost anything that is unlearned. So the change may be told as a share of its
loss (`relative-divergence`): the divergence of two Gaussians whose variance is how far the model is wrong
about this image, and not the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass, field, replace
from functools import partial

import numpy as np
from jaxtyping import Float64, Int
from numpy import ndarray

from attribution.analysis.divergence_null import DivergenceNull, known_null
from attribution.analysis.significance import Null
from attribution.errors import SettingsError
from attribution.gradients.curvature import EigenKronecker
from attribution.gradients.query_context import QueryContext
from attribution.gradients.stored import damped_curvature
from attribution.methods.abu import AbU, AbUOptions, unjudged
from attribution.query import Candidates, Settings
from attribution.results import Progress, Scores, ranked_rows
from attribution.unlearning.caption_change import caption_changes, reads_captions
from attribution.unlearning.movement import Moved, spread
from attribution.unlearning.parts import Measuring
from attribution.unlearning.racing import Rises
from attribution.unlearning.step import Unlearned
from attribution.workspace.baseline import mean_losses
from attribution.workspace.workspace import Workspace

MOST_READ = 20_000  # training images: of more, the captions of those that are promising anyway are read


@dataclass(frozen=True)
class DivergenceOptions(AbUOptions):
    """How the picture is unlearned, and training images measured.

    Attributes:
        timesteps: of the workspace's, evenly spread, at which training images are measured.
    """

    held: int = 32
    timesteps: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.timesteps < 1:
            raise SettingsError(f"timesteps is {self.timesteps}: it must be at least 1")


class MovedShares(Moved):
    """How far predictions move as a share of what each image's own loss is before."""

    def worth(
        self, rows: Int[ndarray, " n"], noises: range, stage: str
    ) -> Generator[Progress, None, Rises]:
        """Yield progress; return every draw's share."""
        changes = yield from self.changes(rows, noises, stage)
        found: Rises = changes / mean_losses(self.workspace, rows)[:, None, None]
        return found


@dataclass(frozen=True)
class Divergence(AbU):
    """The divergence of the model that has unlearned the picture from the model, image by image.

    Attributes:
        relative: as a share of what the image's own loss is before.
    """

    name: str = "divergence"
    title: str = "Unlearning (divergence)"
    description: str = (
        "How far the model's predictions for a training image move, whichever way its loss goes, when the "
        "model unlearns this picture."
    )
    curvature: str = "ekfac"
    relative: bool = False
    by_predictions: bool = True
    options: DivergenceOptions = field(default_factory=DivergenceOptions)

    def promising(
        self, context: QueryContext, unlearned: Unlearned, candidates: Candidates
    ) -> Generator[Progress, None, Candidates]:
        workspace, damped = context.workspace, damped_curvature(context.workspace, self.curvature, 0.0)
        if not (candidates.race and reads_captions(workspace) and isinstance(damped, EigenKronecker)):
            return candidates
        total = len(workspace.training_set)
        rows = np.arange(total) if total <= MOST_READ else np.sort(candidates.rows)
        changes = yield from caption_changes(self.name, workspace, unlearned.weights, damped, rows)
        changes = changes / self._units(workspace, rows)
        first = ranked_rows(Scores(rows, changes), workspace.training_set)
        return replace(candidates, rows=rows[first[: context.settings.shortlist]])

    def measuring(self, context: QueryContext, unlearned: Unlearned) -> Measuring:
        return self._moved(context, unlearned)

    def judging(
        self, context: QueryContext, unlearned: Unlearned
    ) -> Generator[Progress, None, Callable[[Scores], Scores]]:
        known, workspace = self._known_null(context.workspace, context.settings), context.workspace
        if known is None:
            return unjudged
        images = self._moved(context, unlearned)(workspace)
        few = yield from images.changes(known.rows, range(1), "comparing with unrelated pictures")
        scale = known.scale(few.mean(axis=(1, 2)))
        return lambda scores: known.held_against(scores, scale, self._units(workspace, scores.rows))

    def null(self, workspace: Workspace, settings: Settings) -> Null | None:
        """Return what control queries that were unlearned in the same way moved."""
        known = self._known_null(workspace, settings)
        return None if known is None else known.null

    def _known_null(self, workspace: Workspace, settings: Settings) -> DivergenceNull | None:
        options = settings.options_of(self)
        return None if options.alpha is not None else known_null(workspace, asdict(options))

    def _moved(self, context: QueryContext, unlearned: Unlearned) -> Callable[[Workspace], Moved]:
        probe = spread(context.workspace.probe, context.settings.options_of(self).timesteps)
        weights, batch_size = unlearned.weights, context.batch_size
        images = MovedShares if self.relative else Moved
        return partial(images, self.name, weights=weights, probe=probe, batch_size=batch_size)

    def _units(self, workspace: Workspace, rows: Int[ndarray, " n"]) -> Float64[ndarray, " n"]:
        """Return in what the changes of some images are told: their own losses, or the unit of losses."""
        return mean_losses(workspace, rows) if self.relative else np.ones(len(rows))


METHODS = (
    Divergence(),
    Divergence(
        name="relative-divergence",
        title="Unlearning (relative divergence)",
        description=(
            "The same as a share of how wrong the predictions were before: "
            "what the model never knew does not come first."
        ),
        relative=True,
    ),
)

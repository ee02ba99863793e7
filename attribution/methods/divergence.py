"""Attribution by unlearning, measured by what the model predicts and not by its loss.

The picture is unlearned as by AbU+ (Wang et al., NeurIPS 2024, with EK-FAC). A training image's score is
not the rise of its loss but how far the model's predictions for it move
(`attribution.unlearning.movement`): a few draws measure it, where the rise is mostly the luck of the draw.
Where images are raced, those come first whose captions are read otherwise by the model that has unlearned
(`attribution.unlearning.caption_change`).
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace

import numpy as np

from attribution.errors import SettingsError
from attribution.gradients.curvature import EigenKronecker
from attribution.gradients.query_context import QueryContext
from attribution.gradients.stored import damped_curvature
from attribution.methods.abu import AbU, AbUOptions, Measurement
from attribution.query import Candidates
from attribution.results import Progress, Scores, ranked_rows
from attribution.unlearning.caption_change import caption_changes, reads_captions
from attribution.unlearning.movement import Moved, spread
from attribution.unlearning.step import Unlearned

MOST_READ = 20_000  # training images: of more, the captions of those that are promising anyway are read


@dataclass(frozen=True)
class DivergenceOptions(AbUOptions):
    """How the picture is unlearned, and training images measured.

    Attributes:
        timesteps: of the workspace's, evenly spread, at which training images are measured.
    """

    timesteps: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.timesteps < 1:
            raise SettingsError(f"timesteps is {self.timesteps}: it must be at least 1")


@dataclass(frozen=True)
class Divergence(AbU):
    """The divergence of the model that has unlearned the picture from the model, image by image."""

    name: str = "divergence"
    title: str = "Unlearning (divergence)"
    description: str = (
        "How far the model's predictions for a training image move, whichever way its loss goes, when the "
        "model unlearns this picture."
    )
    curvature: str = "ekfac"
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
        first = ranked_rows(Scores(rows, changes), workspace.training_set)
        return replace(candidates, rows=rows[first[: context.settings.shortlist]])

    def measurement(self, context: QueryContext, unlearned: Unlearned) -> Measurement:
        workspace, settings = context.workspace, context.settings
        probe = spread(workspace.probe, settings.options_of(self).timesteps)
        images = Moved(self.name, workspace, unlearned.weights, probe, context.batch_size)
        return images.changes, images.draws_of


METHODS = (Divergence(),)

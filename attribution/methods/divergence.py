"""Attribution by unlearning, measured by what the model predicts and not by its loss.

The picture is unlearned as by AbU+ (Wang et al., NeurIPS 2024, with EK-FAC). A training image's score is
not the rise of its loss but how far the model's predictions for it move
(`attribution.unlearning.movement`): a few draws measure it, where the rise is mostly the luck of the draw.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from attribution.errors import SettingsError
from attribution.gradients.query_context import QueryContext
from attribution.methods.abu import AbU, AbUOptions, Measurement
from attribution.unlearning.movement import Moved, spread
from attribution.unlearning.step import Unlearned


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

    def measurement(self, context: QueryContext, unlearned: Unlearned) -> Measurement:
        workspace, settings = context.workspace, context.settings
        probe = spread(workspace.probe, settings.options_of(self).timesteps)
        images = Moved(self.name, workspace, unlearned.weights, probe, settings.batch_size)
        return images.changes, images.draws_of


METHODS = (Divergence(),)

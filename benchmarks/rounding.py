"""Less precise arithmetic in the U-Net, and what it does to scores: its error against their spread."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from attribution.models.base import Weights
from attribution.models.draws import Probe
from attribution.models.engine_setting import TORCH, engine_set_to
from attribution.models.stable_diffusion import PipelineModel
from attribution.query import Query
from attribution.workspace.baseline import training_latents
from attribution.workspace.workspace import Workspace
from benchmarks.scanning import mean_losses, noise_now
from benchmarks.shapes import Images
from benchmarks.unlearning import unlearned_weights
from evaluation.statistics import spearman

PRECISIONS = ("fp32", "tf32", "bf16")
BATCH = 256


class RoundedModel(PipelineModel):
    """Keys and values and the squared errors in single precision, the U-Net between them in bfloat16.

    The update stays in single precision, for it is smaller than half a unit of a bfloat16 weight.
    """

    def __init__(self, folder: Path, device: str):
        with engine_set_to(TORCH):
            super().__init__(folder, device)

    def _predicted(self, *arguments: object) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16):
            return super()._predicted(*arguments)  # type: ignore[arg-type]


def open_rounded(folder: Path, device: str, precision: str) -> PipelineModel:
    """A pipeline folder at one of `PRECISIONS`; tf32 is a setting of the whole process."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
    return (RoundedModel if precision == "bf16" else PipelineModel)(folder, device)


@dataclass(frozen=True)
class Rounding:
    """Of scores in the lower precision, both of their losses measured in it.

    Attributes:
        error: root mean square difference to the scores in single precision.
        signal: standard deviation of those over training images.
        spearman: of the two.
    """

    error: float
    signal: float
    spearman: float

    @property
    def ratio(self) -> float:
        return self.error / self.signal


def rounding(exact: Float[ndarray, " n"], rounded: Float[ndarray, " n"]) -> Rounding:
    """What rounding did to some scores."""
    error = float(np.sqrt(np.mean((rounded - exact) ** 2)))
    return Rounding(error, float(exact.std()), spearman(exact, rounded))


def of_images(
    folder: Path, device: str, precision: str, weights: Weights, images: Images, probe: Probe
) -> Rounding:
    """Of the scores of some images under the weights after unlearning."""

    def scores(model: PipelineModel) -> Float[ndarray, " n"]:
        drawn = [noise_now(probe, images.ids, model.latent_shape, BATCH) for _ in range(2)]
        after, before = (
            mean_losses(model, side, images, draws)
            for side, draws in zip((weights, model.weights), drawn, strict=True)
        )
        found: Float[ndarray, " n"] = after - before
        return found

    return rounding(
        scores(open_rounded(folder, device, "fp32")), scores(open_rounded(folder, device, precision))
    )


def of_trained_model(workspace: Path, device: str, precision: str, images: int) -> Rounding:
    """Of the scores of a workspace's images when one of them is unlearned, at the workspace's probe."""
    opened = Workspace.open(workspace, device)
    training_set, model = opened.training_set, opened.model
    query = Query(training_set.image(0), training_set.captions[0])
    weights = unlearned_weights(opened, query)
    rows = np.linspace(0, len(training_set) - 1, images).astype(int)
    captions = model.encode_captions([training_set.captions[row] for row in rows])
    ids = tuple(training_set.ids[row] for row in rows)
    folder = Path(opened.source(opened.config.model))
    return of_images(
        folder,
        device,
        precision,
        weights,
        Images(ids, training_latents(opened, rows), captions),
        opened.probe,
    )

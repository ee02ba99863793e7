"""How much something changed when the weights did: a loss, and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from PIL import Image
from torch import Tensor

from attribution.models.base import DiffusionModel, Weights, masked_mean
from attribution.models.batch import BATCH, Batch
from attribution.query import Box
from attribution.workspace.embeddings import encoders_of_looks
from attribution.workspace.workspace import Workspace


@dataclass(frozen=True)
class LossChange:
    """A picture's mean loss before and after, on the same draws, with standard errors.

    `moved` is the squared change of the predictions, weighed as the loss is: what the rise would be, were
    the model's error nothing but noise (see `attribution.unlearning.movement`).

    The errors are those of antithetic pairs taken as independent; the pairs are stratified over the
    schedule, so they are if anything too large.
    """

    before: float
    before_stderr: float
    after: float
    after_stderr: float
    rise: float
    rise_stderr: float
    moved: float
    moved_stderr: float

    @property
    def relative(self) -> float:
        """The rise, as a share of the loss before."""
        return self.rise / self.before

    @property
    def relative_change(self) -> tuple[float, float]:
        """The change of the predictions as a share of the loss before, and its standard error."""
        return self.moved / self.before, self.moved_stderr / self.before


@dataclass(frozen=True)
class Change:
    """How far two pictures are apart.

    Attributes:
        inside: root mean squared difference of pixels, in levels of 255, inside the box or anywhere.
        outside: the same outside of the box; None without one.
        likeness: cosine in each encoder's embedding of what is inside the box, or of the pictures.
    """

    inside: float
    outside: float | None
    likeness: Mapping[str, float]


def loss_change(
    model: DiffusionModel,
    weights: Weights,
    batch: Batch,
    mask: Float[Tensor, "h w"] | None = None,
    batch_size: int = BATCH,
) -> LossChange:
    """Of draws of one picture in antithetic pairs, under the loaded weights and under others.

    Args:
        batch_size: draws of one pass.
    """
    of, parts = model.parametrisation, []
    for part in batch.to(model.device).parts(batch_size):
        one, other = (model.predict(each, part) for each in (model.weights, weights))
        errors = (
            of.squared_errors(one, part),
            of.squared_errors(other, part),
            of.squared_change(other, one, part),
        )
        parts.append([masked_mean(each, mask).double() for each in errors])
    pairs = (torch.cat(each).unflatten(0, (-1, 2)).mean(1) for each in zip(*parts, strict=True))
    before, after, moved = (each.cpu().numpy() for each in pairs)
    measured = (before, after, after - before, moved)
    figures = [figure for values in measured for figure in mean_and_error(values)]
    return LossChange(*map(float, figures))


def mean_and_error(
    values: Float[ndarray, "*each n"],
) -> tuple[Float[ndarray, "*each"], Float[ndarray, "*each"]]:
    """The means over the last axis and their standard errors, NaN of a single value."""
    count = values.shape[-1]
    mean = np.asarray(values.mean(axis=-1))
    if count < 2:
        return mean, np.full_like(mean, np.nan)
    return mean, np.asarray(values.std(axis=-1, ddof=1) / np.sqrt(count))


def picture_change(
    workspace: Workspace, before: Image.Image, after: Image.Image, box: Box | None = None
) -> Change:
    """Of two pictures of one size; `box` in fractions of them, snapped as the model's latents are."""
    squares = (np.asarray(after, np.float64) - np.asarray(before, np.float64)) ** 2
    if box is None:
        return Change(_rms(squares), None, _likeness(workspace, before, after))
    snapped = box.snapped(*workspace.model.latent_shape[1:])
    inside = snapped.mask(before.height, before.width)
    outside = _rms(squares[~inside]) if not inside.all() else None
    likeness = _likeness(workspace, snapped.crop(before), snapped.crop(after))
    return Change(_rms(squares[inside]), outside, likeness)


def _rms(squares: Float[ndarray, "..."]) -> float:
    return float(np.sqrt(squares.mean()))


def _likeness(workspace: Workspace, before: Image.Image, after: Image.Image) -> dict[str, float]:
    likeness = {}
    for name in encoders_of_looks(workspace):
        vectors = torch.from_numpy(workspace.encoder(name).images([before, after])).double()
        likeness[name] = float(vectors[0] @ vectors[1])
    return likeness

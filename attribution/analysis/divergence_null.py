"""What the divergence of a training image's predictions is for pictures that have nothing to do with it.

Control queries are unlearned as a person's picture is, and every training image is measured under each,
once for a workspace. A divergence is a product of how easily the predictions for an image are moved, how
far unlearning a picture moves all of them, and what the two have to do with each other. So logarithms are
compared. What belongs to the image is its mean under controls of unrelated captions. What belongs to the
picture is the median, over a few images drawn by chance, of how far each is above that: they are measured
with every question. Whatever is left has the null of `attribution.analysis.significance`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from numpy import ndarray
from pydantic import Field

from attribution.analysis.significance import (
    FEWEST,
    Judgement,
    Null,
    counted,
    null_on_scale,
    related_to,
)
from attribution.gradients.stored import EKFAC, OF_MODEL, curvature_checksum
from attribution.results import Scores
from attribution.rng import generator
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.store import Artifact, Made
from attribution.workspace.workspace import Workspace

SCALE_IMAGES = 32  # drawn by chance, by which a picture is put on the controls' scale


class UnlearnedWith(Made):
    """How control queries were unlearned, and training images measured under them."""

    controls: Annotated[int, Field(ge=1, le=1_000_000)]
    draws: Annotated[int, Field(ge=1)]
    calibration_draws: Annotated[int, Field(ge=1)]
    target_rise: Annotated[float, Field(gt=0)]
    damping: Annotated[float, Field(ge=0)]
    timesteps: Annotated[int, Field(ge=1)]
    curvature_checksum: str


@dataclass(frozen=True)
class DivergenceNull:
    """The nulls of all training images, and the scale that scores are put on before they are compared.

    Attributes:
        usual: the mean logarithm of each image under unrelated controls.
        rows: of the images by which a picture is put on their scale.
        null: of what is left.
    """

    usual: Float64[ndarray, " n"]
    rows: Int[ndarray, " few"]
    null: Null

    def scale(self, divergences: Float[ndarray, " few"]) -> float:
        """How far a picture moves all images, as a logarithm: from the divergences of `rows`."""
        return float(np.median(logarithms(divergences) - self.usual[self.rows]))

    def held_against(self, scores: Scores, scale: float, units: Float64[ndarray, " k"]) -> Scores:
        """Scores under a picture of that scale, and how far they stand out.

        Args:
            units: that the divergences of their images are told in.
        """
        z = self.null.standing(logarithms(scores.values * units) - scale, scores.rows)
        return replace(scores, z=z, details={**scores.details, **Judgement(z, self.null).details()})


def divergence_null(
    divergences: Float[ndarray, "n controls"], related: Bool[ndarray, "n controls"]
) -> DivergenceNull:
    """The nulls from the divergences of `n` images under some control queries."""
    logs, counts = logarithms(divergences), counted(related)
    centred = logs - np.median(logs, axis=0)
    usual = np.where(counts, centred, 0).sum(axis=1) / counts.sum(axis=1)
    rows = scale_rows(len(usual))
    scales = np.median(logs[rows] - usual[rows, None], axis=0)
    return DivergenceNull(usual, rows, null_on_scale(logs - scales, related))


def scale_rows(images: int) -> Int[ndarray, " few"]:
    """The rows by which pictures are put on one scale, ascending: the same for every picture."""
    few = min(SCALE_IMAGES, images)
    rows: Int[ndarray, " few"] = np.sort(generator(0, "scale images", images).choice(images, few, False))
    return rows


def logarithms(divergences: Float[ndarray, "..."]) -> Float64[ndarray, "..."]:
    """Return the logarithms of divergences, of which none is below the smallest number there is."""
    found: Float64[ndarray, "..."] = np.log(
        np.maximum(divergences.astype(np.float64), np.finfo(np.float64).tiny)
    )
    return found


def _read(workspace: Workspace, artifact: Artifact) -> DivergenceNull:
    made, captions = artifact.settings(UnlearnedWith), workspace.training_set.captions
    artifact.check_made_with("curvature_checksum", curvature_checksum(workspace, EKFAC.name))
    rows = artifact.array("captions.npy", (made.controls,))
    if not np.issubdtype(rows.dtype, np.integer) or rows.min() < 0 or rows.max() >= len(captions):
        raise artifact.corrupt("captions.npy names captions that there are not")
    divergences = artifact.array("divergences.npy", (made.controls, len(captions)))
    if (divergences < 0).any():
        raise artifact.corrupt("divergences.npy holds negative squares")
    return divergence_null(divergences.T, related_to(captions, rows))


CONTROL_DIVERGENCES = ArtifactKind("control-divergences", (*OF_MODEL, "probe"), _read)


def known_null(workspace: Workspace, asked: Mapping[str, Any]) -> DivergenceNull | None:
    """The null of divergences that are measured with some options of a method.

    None where there are too few control queries, or none that were unlearned and measured so.
    """
    if not workspace.has(CONTROL_DIVERGENCES):
        return None
    made = workspace.artifact(CONTROL_DIVERGENCES).settings(UnlearnedWith).model_dump()
    if made["controls"] < FEWEST or any(made[name] != asked[name] for name in made.keys() & asked.keys()):
        return None
    return workspace.load(CONTROL_DIVERGENCES)

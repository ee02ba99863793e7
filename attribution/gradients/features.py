"""What a workspace holds of projected gradients over all weights, and the kernel that compares them.

With `Phi` the features of the n training images, row by row, the kernel of TRAK (Park et al. 2023, arXiv
2303.14186) between two features is

    phi_q^T (Phi^T Phi / n + lambda I)^-1 phi_i.

`Phi^T Phi` is made of what is stored, dimensions x dimensions, whatever n is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy import ndarray
from pydantic import Field
from torch import Tensor

from attribution.errors import NonFiniteError
from attribution.gradients.projection import Sketch
from attribution.gradients.stored import OF_MODEL, SketchSettings, stored_lengths
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.cache import Cache
from attribution.workspace.store import Artifact
from attribution.workspace.vector_index import Neighbours, read_index
from attribution.workspace.workspace import Workspace

# Lambda as a share of the mean eigenvalue, unless asked otherwise. The smaller it is, the more weight have
# directions in which features hardly differ, and with them what four bits round away: docs/PERFORMANCE.md.
DAMPING = 1.0
BLOCK = 512  # training images whose features are held in double precision at once
KEPT = 2  # factorised kernels, by damping

# Over all weights, so whatever layers are unlearned.
OF_ALL_WEIGHTS = (*(key for key in OF_MODEL if key != "layers"), "probe")


@dataclass(frozen=True, eq=False)
class Features:
    """The projected gradients of all training images.

    Attributes:
        index: each divided by its length: directions of like length are what few bits can hold.
        lengths: of the features.
        timesteps: at which they were taken.
    """

    sketch: Sketch
    index: Neighbours
    lengths: Float[ndarray, " n"]
    timesteps: tuple[int, ...]
    _factors: Cache[Tensor] = field(default_factory=lambda: Cache(KEPT), repr=False)
    _leverages: Cache[Float64[ndarray, " n"]] = field(default_factory=lambda: Cache(KEPT), repr=False)

    @cached_property
    def second_moment(self) -> Float64[Tensor, "d d"]:
        """`Phi^T Phi / n`, double precision."""
        total = torch.zeros(self.sketch.dimensions, self.sketch.dimensions, dtype=torch.float64)
        for start in range(0, len(self.lengths), BLOCK):
            block = self._block(start)
            total += block.T @ block
        return total / len(self.lengths)

    def _block(self, start: int) -> Float64[Tensor, "block d"]:
        rows = slice(start, start + BLOCK)
        directions = torch.from_numpy(self.index.vectors[rows].astype(np.float64))
        return directions * torch.from_numpy(self.lengths[rows].astype(np.float64))[:, None]

    @property
    def mean_eigenvalue(self) -> float:
        """Of `Phi^T Phi / n`, over all dimensions."""
        return float(self.second_moment.trace() / self.sketch.dimensions)

    def factor(self, damping: float) -> Float64[Tensor, "d d"]:
        """The lower Cholesky factor of `Phi^T Phi / n + lambda I`, lambda = `damping` mean eigenvalues.

        Raises:
            NonFiniteError: the features are zero, or the damping so small that there is no inverse.
        """
        known = self._factors.get(str(damping))
        if known is not None:
            return known
        damped = self.second_moment.clone()
        damped.diagonal().add_(damping * self.mean_eigenvalue)
        lower: Tensor
        lower, failed = torch.linalg.cholesky_ex(damped)
        if int(failed):
            raise NonFiniteError(
                f"the features' second moment has no inverse at damping {damping}: ask with a larger one"
            )
        self._factors.put(str(damping), lower)
        return lower

    def scores(
        self, queries: Float[ndarray, "queries d"], rows: Int[ndarray, " k"], damping: float
    ) -> Float64[ndarray, "queries k"]:
        """The kernel of some queries' features with the training images in `rows`."""
        wanted = torch.from_numpy(queries.astype(np.float64)).T
        solved = torch.cholesky_solve(wanted, self.factor(damping)).T.numpy()
        lengths = self.lengths[rows].astype(np.float64)
        return np.stack([self.index.scores(each, rows) * lengths for each in solved])

    def scores_under(self, rows: Int[ndarray, " queries"], damping: float) -> Float[ndarray, "n queries"]:
        """The kernel of all training images with those in some rows, as if these were queries."""
        queries = self.index.vectors[rows].astype(np.float64) * self.lengths[rows, None]
        solved = torch.cholesky_solve(torch.from_numpy(queries).T, self.factor(damping)).numpy()
        directions: Float[ndarray, "n queries"] = self.index.vectors @ solved.astype(np.float32)
        scores: Float[ndarray, "n queries"] = directions * self.lengths[:, None]
        return scores

    def leverages(self, rows: Int[ndarray, " k"], damping: float) -> Float64[ndarray, " k"]:
        """`phi_i^T (Phi^T Phi + n lambda I)^-1 phi_i`, in [0, 1): an image's say in its own fit."""
        known = self._leverages.get(str(damping))
        if known is None:
            lower, known = self.factor(damping), np.empty(len(self.lengths))
            for start in range(0, len(known), BLOCK):
                whitened = torch.linalg.solve_triangular(lower, self._block(start).T, upper=False)
                known[start : start + BLOCK] = whitened.square().sum(dim=0).numpy() / len(known)
            self._leverages.put(str(damping), known)
        leverages: Float64[ndarray, " k"] = known[rows]
        return leverages


class FeatureSettings(SketchSettings):
    """What gradients over all weights were projected with."""

    timesteps: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


def _features(workspace: Workspace, artifact: Artifact) -> Features:
    made = artifact.settings(FeatureSettings)
    if max(made.timesteps) >= workspace.model.num_train_timesteps:
        raise artifact.corrupt("its timesteps are beyond the model's")
    index = read_index(artifact, workspace.training_set.ids, made.dimensions)
    return Features(
        Sketch(made.dimensions, made.sketch_seed, workspace.model.all_shapes),
        index,
        stored_lengths(workspace, artifact, "lengths.npy"),
        tuple(made.timesteps),
    )


@dataclass(frozen=True, eq=False)
class WithResiduals:
    """Features, and how far the denoiser is from fitting each training image.

    Attributes:
        residuals: the square root of each image's mean loss over the draws of its features.
    """

    features: Features
    residuals: Float[ndarray, " n"]


def _with_residuals(workspace: Workspace, artifact: Artifact) -> WithResiduals:
    return WithResiduals(
        _features(workspace, artifact), stored_lengths(workspace, artifact, "residuals.npy")
    )


TRAK = ArtifactKind("trak", OF_ALL_WEIGHTS, _features)
D_TRAK = ArtifactKind("d-trak", OF_ALL_WEIGHTS, _features)
DAS = ArtifactKind("das", OF_ALL_WEIGHTS, _with_residuals)

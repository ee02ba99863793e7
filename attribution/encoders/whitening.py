"""Whitening: vectors made uncorrelated and of unit variance over the training set, so cosines tell apart.

What most pictures share (the ground, the light) fills the leading directions of an encoder's vectors
and drowns what they differ in. Fitted on the training set alone and applied to it and to queries; as in
Jegou and Chum 2012, and for DINO's own retrieval in Caron et al. 2021 (section 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from attribution.encoders.base import unit_rows

COMPONENTS = 192  # kept; those of least variance are dropped
SHRINKAGE = 0.1  # of the covariance towards its mean variance, where images are as many as dimensions
MOST_SHRINKAGE = 0.5
BLOCK = 4096  # rows held in double precision at once


@dataclass(frozen=True)
class Whitening:
    """Vectors => coordinates in the leading principal components, each divided by its deviation.

    Attributes:
        mean: of the training set.
        basis: principal components, float16: they are stored so.
        deviations: of the shrunk covariance along each of them.
    """

    mean: Float[Tensor, " d"]
    basis: Float[Tensor, "d k"]
    deviations: Float[Tensor, " k"]

    def coordinates(self, vectors: Float[ndarray, "n d"]) -> Float[Tensor, "n k"]:
        """Centred, uncorrelated, of unit variance up to shrinkage."""
        centred = torch.from_numpy(vectors).double() - self.mean.double()
        return centred @ self.basis.double() / self.deviations.double()

    def __call__(self, vectors: Float[ndarray, "n d"]) -> Float[ndarray, "n k"]:
        """Rows of length 1. A vector that is the training set's mean is alike to none: zero."""
        unit: Float[ndarray, "n k"] = unit_rows(self.coordinates(vectors))
        return unit

    def tensors(self) -> dict[str, Tensor]:
        """As it is stored; `Whitening(**tensors)` is the inverse."""
        return {"mean": self.mean, "basis": self.basis, "deviations": self.deviations}


def shrinkage(images: int, dimensions: int) -> float:
    """The weight of the mean variance: the fewer images a dimension, the less their covariance says."""
    return min(MOST_SHRINKAGE, SHRINKAGE * dimensions / images)


def fit_whitening(vectors: Float[ndarray, "n d"], components: int = COMPONENTS) -> Whitening:
    """The whitening of a training set.

    No more components are kept than the images span (one less than there are), so that a direction in
    which no two training images differ is never divided by its absent variance.
    """
    images, dimensions = vectors.shape
    mean = torch.from_numpy(vectors.mean(0, dtype=np.float64))
    covariance = torch.zeros(dimensions, dimensions, dtype=torch.float64)
    for start in range(0, images, BLOCK):
        centred = torch.from_numpy(vectors[start : start + BLOCK]).double() - mean
        covariance += centred.T @ centred / max(1, images - 1)
    variances, basis = torch.linalg.eigh(covariance)  # ascending
    kept = max(1, min(components, dimensions, images - 1))
    variances, basis = variances.flip(0).clamp_min(0), basis.flip(1)[:, :kept]
    signs = basis.gather(0, basis.abs().argmax(0, keepdim=True)).sign()  # eigenvectors leave them open
    share = shrinkage(images, dimensions)
    shrunk = (1 - share) * variances[:kept] + share * variances.mean()
    deviations = shrunk.sqrt().clamp_min(1e-12)
    return Whitening(mean.float(), (basis * signs).half().contiguous(), deviations.float())

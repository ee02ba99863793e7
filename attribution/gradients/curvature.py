"""Approximations of the Fisher information of the selected layers, damped and invertible.

Unlearning needs `(F + delta)^-1 g` (AbU eq. 6); comparing gradients of many images needs the square
root of it, `(F + delta)^-1/2 g`, on both sides. Two approximations:

Diagonal        of the Fisher information itself (AbU, section 3.2)
EigenKronecker  EK-FAC (George et al. 2018): diagonal in the eigenbasis of the Kronecker factors, used
                for diffusion models by FastGDA as AbU+
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attribution.gradients.allotment import Allotment
from attribution.gradients.fisher import (
    Collect,
    DrawBatch,
    Layers,
    Sums,
    draw_batches,
    squared_gradients,
    summed_at_once,
)
from attribution.models.base import DiffusionModel, Factors
from attribution.models.batch import Conditioning
from attribution.models.layers import selector

Gradient = Mapping[str, Float[Tensor, "*n out in"]]
Bases = Mapping[str, Float[Tensor, "side side"]]
INPUTS = "captions"  # of the basis of inputs, where they are the same tokens in every layer


@runtime_checkable
class Curvature(Protocol):
    """A damped approximation of the Fisher information, one block a layer."""

    def inverse(self, gradient: Gradient) -> dict[str, Float64[Tensor, "*n out in"]]:
        """`(F + delta)^-1 g`."""
        ...

    def whitened(self, gradient: Gradient) -> dict[str, Float[Tensor, "*n out in"]]:
        """`(F + delta)^-1/2 g` up to a rotation: inner products are `<g, (F + delta)^-1 h>`."""
        ...


@dataclass(frozen=True)
class Diagonal:
    """`F` as its diagonal; `delta` is a share (`damping`) of each layer's mean."""

    fisher: Mapping[str, Float[Tensor, "out in"]]
    damping: float

    def inverse(self, gradient: Gradient) -> dict[str, Float64[Tensor, "*n out in"]]:
        quotients = {}
        for name, g in gradient.items():
            quotient = g.double() / self._damped(name, g)
            # Undamped, a weight that no draw has moved is 0 / 0: it stays where it is.
            quotients[name] = torch.where(g == 0, 0.0, quotient)
        return quotients

    def whitened(self, gradient: Gradient) -> dict[str, Float[Tensor, "*n out in"]]:
        return {name: g * self._damped(name, g).rsqrt().to(g.dtype) for name, g in gradient.items()}

    def _damped(self, name: str, like: Tensor) -> Float64[Tensor, "out in"]:
        fisher = self.fisher[name].to(like.device).double()
        return fisher + self.damping * fisher.mean()


@dataclass(frozen=True)
class EigenKronecker:
    """EK-FAC: `F = U diag(eigenvalues) U^T` with `U` the Kronecker product of two bases.

    Attributes:
        bases: orthonormal columns; of each layer's outputs under its name, of its inputs under
            `INPUTS` where all layers read the caption's tokens, else under `inputs_of` its name.
        eigenvalues: `diag(U^T F U)`, measured in that basis, by layer.
        damping: a share of each layer's mean eigenvalue (FastGDA: 0.1).
    """

    bases: Bases
    eigenvalues: Mapping[str, Float[Tensor, "out in"]]
    damping: float

    def inverse(self, gradient: Gradient) -> dict[str, Float64[Tensor, "*n out in"]]:
        inverted = {}
        for name, g in gradient.items():
            rotated = rotate(g.double(), self.bases, name) / self._damped(name, g)
            inverted[name] = rotate_back(rotated, self.bases, name)
        return inverted

    def whitened(self, gradient: Gradient) -> dict[str, Float[Tensor, "*n out in"]]:
        return {
            name: rotate(g, self.bases, name) * self._damped(name, g).rsqrt().to(g.dtype)
            for name, g in gradient.items()
        }

    def _damped(self, name: str, like: Tensor) -> Float64[Tensor, "out in"]:
        eigenvalues = self.eigenvalues[name].to(like.device).double()
        return eigenvalues + self.damping * eigenvalues.mean()


def rotate(gradient: Float[Tensor, "*n out in"], bases: Bases, name: str) -> Float[Tensor, "*n out in"]:
    """A layer's gradient in the eigenbasis: `U_out^T g U_in`."""
    return bases[name].to(gradient).T @ gradient @ input_basis(bases, name).to(gradient)


def rotate_back(
    gradient: Float[Tensor, "*n out in"], bases: Bases, name: str
) -> Float[Tensor, "*n out in"]:
    """The inverse of `rotate`."""
    return bases[name].to(gradient) @ gradient @ input_basis(bases, name).to(gradient).T


def inputs_of(name: str) -> str:
    """What the Kronecker factor of a layer's own inputs is called."""
    return f"inputs of {name}"


def input_basis(bases: Bases, name: str) -> Float[Tensor, "in in"]:
    """Of a layer's inputs: all layers', or its own."""
    return bases[INPUTS] if INPUTS in bases else bases[inputs_of(name)]


def kronecker_chunk(
    model: DiffusionModel,
    latents: Float[Tensor, "n c h w"],
    captions: Conditioning,
    ids: Sequence[str],
    draws: int,
    seed: int,
    batch_size: int = 64,
    allotment: Allotment | None = None,
) -> Sums:
    """Sums of the Kronecker factors, `c c^T` and `D^T D` over tokens and draws ("expand", K-FAC).

    The draws are those of `fisher_chunk`. Whatever divides the sums, their eigenvectors are the same.
    """
    batches = draw_batches(model, latents, captions, ids, draws, seed, batch_size, allotment)
    (total,) = summed_at_once(batches, [kronecker_factors(model)])
    return total


def kronecker_factors(model: DiffusionModel) -> Collect:
    """What some draws add to the Kronecker factors."""
    reads_captions = selector(model.layers).reads_captions

    def moments(batch: DrawBatch) -> Layers:
        for name, factor in batch.factors.items():
            yield name, _second_moment(factor.outputs, batch.counts[name])
        inputs = {inputs_of(name): factor.inputs for name, factor in batch.factors.items()}
        if reads_captions:  # the same in every layer: once
            inputs = {INPUTS: next(iter(inputs.values()))}
        for name, tokens in inputs.items():
            yield name, _second_moment(tokens, batch.importance)

    return moments


def eigenvalue_chunk(
    model: DiffusionModel,
    latents: Float[Tensor, "n c h w"],
    captions: Conditioning,
    ids: Sequence[str],
    draws: int,
    seed: int,
    bases: Bases,
    batch_size: int = 64,
    allotment: Allotment | None = None,
) -> Sums:
    """The sum of squared per-draw gradients in the eigenbasis: `diag(U^T F U)` once divided."""
    batches = draw_batches(model, latents, captions, ids, draws, seed, batch_size, allotment)
    (total,) = summed_at_once(batches, [squares_in(bases)])
    return total


def squares_in(bases: Bases) -> Collect:
    """What some draws add to the eigenvalues in those bases."""

    def turned(name: str, factor: Factors) -> Factors:
        """U_out^T (D^T C) U_in: the factors are rotated before they are multiplied."""
        return Factors(
            factor.outputs @ bases[name].to(factor.outputs),
            factor.inputs @ input_basis(bases, name).to(factor.inputs),
        )

    def squared(batch: DrawBatch) -> Layers:
        return squared_gradients(batch, ((name, turned(name, f)) for name, f in batch.factors.items()))

    return squared


def eigenbases(
    factors: Mapping[str, Float64[Tensor, "side side"]],
) -> dict[str, Float[Tensor, "side side"]]:
    """Orthonormal eigenvectors of each Kronecker factor, as columns, float32."""
    return {name: eigenbasis(factor) for name, factor in factors.items()}


def eigenbasis(factor: Float64[Tensor, "side side"]) -> Float[Tensor, "side side"]:
    """Those of one."""
    vectors: Tensor = torch.linalg.eigh(factor)[1]
    return vectors.float()


def _second_moment(
    tokens: Float[Tensor, "draws tokens side"], importance: Float64[Tensor, " draws"]
) -> Float64[Tensor, "side side"]:
    weighed = (tokens.double() * importance[:, None, None]).flatten(0, 1)
    return tokens.flatten(0, 1).double().T @ weighed

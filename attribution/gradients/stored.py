"""What a workspace holds of its model's gradients: curvature, and every training image's gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import Field
from torch import Tensor

from attribution.gradients.allotment import Allotment
from attribution.gradients.curvature import INPUTS, Curvature, Diagonal, EigenKronecker, inputs_of
from attribution.gradients.linearised import FirstOrder
from attribution.gradients.projection import Sketch
from attribution.models.base import DiffusionModel
from attribution.models.layers import selector
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.store import Artifact, Made, Shape
from attribution.workspace.vector_index import MOST_DIMENSIONS, read_index
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import BASES

Damped = Callable[[float], Curvature]  # damping => the curvature so damped
OF_MODEL = ("model", "layers", "loss", "training_set", "dtype")


class SketchSettings(Made):
    """What gradients were projected with."""

    dimensions: Annotated[int, Field(ge=1, le=MOST_DIMENSIONS)]
    sketch_seed: Annotated[int, Field(ge=0, lt=2**63)]


class GradientSettings(SketchSettings):
    """What gradients were whitened and projected with."""

    curvature: Literal["fisher", "ekfac"]
    curvature_checksum: str
    damping: Annotated[float, Field(ge=0)]


def _weight_shapes(workspace: Workspace) -> dict[str, Shape]:
    """Of the layers that are unlearned, by name."""
    return {name: tuple(weight.shape) for name, weight in workspace.model.weights.items()}


def _basis_shapes(workspace: Workspace) -> dict[str, Shape]:
    """Of the eigenbases: of each layer's outputs and inputs; one for all inputs that are captions."""
    shapes = {name: tuple(weight.shape) for name, weight in workspace.model.weights.items()}
    shared = selector(workspace.model.layers).reads_captions
    inputs = {INPUTS if shared else inputs_of(name): shape[1] for name, shape in shapes.items()}
    sides = {name: shape[0] for name, shape in shapes.items()} | inputs
    return {name: (side, side) for name, side in sides.items()}


def _allotment(workspace: Workspace, artifact: Artifact) -> Allotment:
    of_layers: dict[str, Shape] = dict.fromkeys(workspace.model.weights, ())
    largest = artifact.tensors("largest.safetensors", of_layers)
    probabilities = np.array(artifact.array("probabilities.npy", (workspace.model.num_train_timesteps,)))
    if not (probabilities > 0).all() or not np.isclose(probabilities.sum(), 1):
        raise artifact.corrupt("probabilities.npy holds no probabilities")
    return Allotment(probabilities, {name: float(value) for name, value in largest.items()})


def _diagonal(workspace: Workspace, artifact: Artifact) -> Damped:
    return partial(Diagonal, _spectrum(workspace, artifact, "fisher.safetensors"))


def _bases(workspace: Workspace, artifact: Artifact) -> dict[str, Tensor]:
    """The eigenbases of the Kronecker factors."""
    return artifact.tensors("bases.safetensors", _basis_shapes(workspace))


def _eigen_kronecker(workspace: Workspace, artifact: Artifact) -> Damped:
    artifact.check_made_with(BASES, workspace.artifact(KFAC).checksum)
    eigenvalues = _spectrum(workspace, artifact, "eigenvalues.safetensors")
    return partial(EigenKronecker, workspace.load(KFAC), eigenvalues)


def _spectrum(workspace: Workspace, artifact: Artifact, file: str) -> dict[str, Tensor]:
    """Squares of gradients, one a weight: never negative."""
    found = artifact.tensors(file, _weight_shapes(workspace))
    if any((value < 0).any() for value in found.values()):
        raise artifact.corrupt(f"{file} holds negative squares")
    return found


def _first_order(workspace: Workspace, artifact: Artifact) -> FirstOrder:
    made = artifact.settings(GradientSettings)
    artifact.check_made_with("curvature_checksum", curvature_checksum(workspace, made.curvature))
    index = read_index(artifact, workspace.training_set.ids, made.dimensions)
    return FirstOrder(
        damped_curvature(workspace, made.curvature, made.damping),
        sketch_of(workspace.model, made.dimensions, made.sketch_seed),
        index,
        stored_lengths(workspace, artifact, "lengths.npy"),
    )


def stored_lengths(workspace: Workspace, artifact: Artifact, file: str) -> Float[ndarray, " n"]:
    """Return a number of each training image that is never negative.

    Raises:
        CorruptArtifactError: the file holds something else.
    """
    lengths = np.array(artifact.array(file, (len(workspace.training_set),)))
    if (lengths < 0).any():
        raise artifact.corrupt(f"{file} holds negative numbers")
    return lengths


ALLOTMENT = ArtifactKind("allotment", OF_MODEL, _allotment)
FISHER = ArtifactKind("fisher", OF_MODEL, _diagonal)
KFAC = ArtifactKind("kfac", OF_MODEL, _bases)
EKFAC = ArtifactKind("ekfac", OF_MODEL, _eigen_kronecker)
GRADIENTS = ArtifactKind("gradients", (*OF_MODEL, "probe"), _first_order)
CURVATURES: dict[str, ArtifactKind[Damped]] = {kind.name: kind for kind in (FISHER, EKFAC)}


def damped_curvature(workspace: Workspace, kind: str, damping: float) -> Curvature:
    """Return the Fisher information as its diagonal ("fisher") or as EK-FAC ("ekfac"), damped.

    Raises:
        ArtifactError: it has not been made, or its parts do not belong together.
    """
    return workspace.load(CURVATURES[kind])(damping)


def curvature_checksum(workspace: Workspace, kind: str) -> str:
    """Return what is bound to a curvature's bytes."""
    return workspace.artifact(CURVATURES[kind]).checksum


def curvature_needs(kind: str) -> tuple[ArtifactKind[object], ...]:
    """Return the artifacts that a curvature is read from."""
    return (KFAC, EKFAC) if kind == EKFAC.name else (CURVATURES[kind],)


def sketch_of(model: DiffusionModel, dimensions: int, seed: int) -> Sketch:
    """Return the random projection of a model's gradients."""
    shapes = {name: (weight.shape[0], weight.shape[1]) for name, weight in model.weights.items()}
    return Sketch(dimensions, seed, shapes)


def gradient_space(workspace: Workspace) -> str:
    """Return what two sketched gradients must have in common to be compared."""
    made = workspace.artifact(GRADIENTS).manifest["settings"]
    return " ".join(f"{key}={made[key]}" for key in sorted(made) if key != "bits")

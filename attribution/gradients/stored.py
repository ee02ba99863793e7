"""What a workspace holds of its model's gradients: curvature, and every training image's gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from torch import Tensor

from attribution.gradients.allotment import Allotment
from attribution.gradients.curvature import Curvature, Diagonal, EigenKronecker
from attribution.gradients.linearised import FirstOrder
from attribution.gradients.projection import Sketch
from attribution.models.base import DiffusionModel
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.store import Artifact
from attribution.workspace.vector_index import read_index
from attribution.workspace.workspace import Workspace

Damped = Callable[[float], Curvature]  # damping => the curvature so damped
OF_MODEL = ("model", "layers", "loss", "training_set", "dtype")


def _allotment(workspace: Workspace, artifact: Artifact) -> Allotment:
    largest = {name: float(value) for name, value in artifact.tensors("largest.safetensors").items()}
    return Allotment(np.array(artifact.array("probabilities.npy")), largest)


def _diagonal(workspace: Workspace, artifact: Artifact) -> Damped:
    return partial(Diagonal, artifact.tensors("fisher.safetensors"))


def _bases(workspace: Workspace, artifact: Artifact) -> dict[str, Tensor]:
    """The eigenbases of the Kronecker factors."""
    return artifact.tensors("bases.safetensors")


def _eigen_kronecker(workspace: Workspace, artifact: Artifact) -> Damped:
    artifact.check_made_with("bases", workspace.artifact(KFAC).checksum)
    return partial(EigenKronecker, workspace.load(KFAC), artifact.tensors("eigenvalues.safetensors"))


def _first_order(workspace: Workspace, artifact: Artifact) -> FirstOrder:
    made = artifact.manifest["settings"]
    artifact.check_made_with("curvature_checksum", curvature_checksum(workspace, made["curvature"]))
    return FirstOrder(
        damped_curvature(workspace, made["curvature"], made["damping"]),
        sketch_of(workspace.model, made["dimensions"], made["sketch_seed"]),
        read_index(artifact, workspace.training_set.ids),
        np.array(artifact.array("lengths.npy")),
    )


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

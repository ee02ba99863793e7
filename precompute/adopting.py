"""Take over what another workspace has, where it holds for this one too: a base's for a customised model.

A model that was fine-tuned a little has nearly its base's Fisher information, which is dear; its latents
are the base's if the autoencoder is. What is taken over says so in its manifest.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from attribution.encoders.base import encoder_readers
from attribution.errors import MismatchError, SettingsError
from attribution.gradients.stored import ALLOTMENT, EKFAC, FISHER, KFAC
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.baseline import LATENTS
from attribution.workspace.embeddings import embedding
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import BASES, IMPORTED, Chunk, Plan, Writer

CURVATURE: tuple[ArtifactKind[Any], ...] = (ALLOTMENT, FISHER, KFAC, EKFAC)
OF_ANOTHER = ("model", "training_set")  # in which a curvature's source may differ
TOLERANCE = 1e-3  # of latents, whose own standard deviation is about 1


def adopt(
    workspace: Workspace, source: Workspace, names: Sequence[str] = (), by_reference: bool = False
) -> Iterator[str]:
    """Copy artifacts, each whole or not at all; yields a line for each.

    Args:
        names: of artifacts; without any, all that the source has and that hold here.
        by_reference: copy nothing but their manifests, which say where the files lie: both workspaces
            must then be moved together.

    Raises:
        SettingsError: there is no artifact of a name that could be taken.
        MismatchError: one that was named does not hold here; says in what it differs.
        ArtifactError: one that was named is not in the source, or is damaged. What was here stays then.
    """
    kinds = adoptable(workspace)
    if unknown := [name for name in names if name not in kinds]:
        raise SettingsError(f"{unknown[0]!r} cannot be taken over: choose from {', '.join(kinds)}")
    for name, kind in kinds.items():
        if name not in (names or kinds) or not (names or source.has(kind)):
            continue
        try:
            _check(workspace, source, kind)
        except MismatchError as problem:
            if names:
                raise
            yield f"{name}: left, {problem}"
            continue
        _take(workspace, source, kind, by_reference)
        yield f"{name}: taken over"


def adoptable(workspace: Workspace) -> dict[str, ArtifactKind[Any]]:
    """The kinds that another workspace may have made, by name; what depends on another comes after it."""
    encoders = [name for name in encoder_readers() if name in workspace.fingerprints]
    embeddings = [embedding(name, captions) for name in encoders for captions in (False, True)]
    return {kind.name: kind for kind in (LATENTS, *embeddings, *CURVATURE)}


def _check(workspace: Workspace, source: Workspace, kind: ArtifactKind[Any]) -> None:
    """Raises MismatchError where what it is bound to differs in what matters."""
    theirs = source.artifact(kind).fingerprints
    differing = [key for key, ours in workspace.expected(kind).items() if theirs[key] != ours]
    allowed = OF_ANOTHER if kind in CURVATURE else ("model",) if kind == LATENTS else ()
    if wrong := [key for key in differing if key not in allowed]:
        raise MismatchError(f"{kind.name} in {source.folder} is of another {wrong[0].replace('_', ' ')}")
    if kind == LATENTS:
        _check_autoencoder(workspace, source)
    if kind == EKFAC:
        _check_bases(workspace, source)


def _check_bases(workspace: Workspace, source: Workspace) -> None:
    """Eigenvalues are told in bases, which are taken over before them."""
    theirs = source.artifact(EKFAC).manifest["settings"].get(BASES)
    if not workspace.has(KFAC) or workspace.artifact(KFAC).checksum != theirs:
        raise MismatchError(
            f"ekfac in {source.folder} was made with other bases than {workspace.folder} has: take kfac "
            "over as well"
        )


def _check_autoencoder(workspace: Workspace, source: Workspace) -> None:
    """One picture is encoded again: fine-tuning hardly ever touches the autoencoder, but it may."""
    image = workspace.prepared(workspace.training_set.image(0))
    ours = workspace.model.encode_images([image])[0].float().cpu().numpy()
    theirs = np.asarray(source.load(LATENTS)[0])
    if ours.shape != theirs.shape or np.abs(ours - theirs).max() > TOLERANCE:
        raise MismatchError(f"latents in {source.folder} are of another autoencoder")


def _take(workspace: Workspace, source: Workspace, kind: ArtifactKind[Any], by_reference: bool) -> None:
    """The same files under this workspace's fingerprints; read first, so that they are known to fit."""
    found = source.artifact(kind)
    kind.read(workspace, found)
    origin = {key: found.fingerprints[key] for key in OF_ANOTHER if key in found.fingerprints}
    settings = {**found.manifest["settings"], IMPORTED: {"from": origin}}
    plan = Plan(kind.folder, workspace.expected(kind), settings, found.manifest["made_with"], chunks=0)

    def assemble(chunks: Iterator[Chunk], out: Path) -> Mapping[str, Any]:
        for file in found.files:
            found.verify_file(file)
            shutil.copyfile(found.kept_in / file, out / file)
        measured: dict[str, Any] = found.manifest.get("measured", {})
        return measured

    with Writer(workspace.folder, plan) as writer:
        writer.missing()
        if by_reference:
            writer.refer_to(found)
        else:
            writer.publish(assemble)
    workspace.forget()

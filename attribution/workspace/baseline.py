"""What is known of every training image under the model as it is: its latent, and its losses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from attribution.data.preprocessing import prepared
from attribution.models.batch import Conditioning
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.store import Artifact
from attribution.workspace.workspace import Workspace

ENCODE_BATCH = 32


def _latents(workspace: Workspace, artifact: Artifact) -> Float[ndarray, "examples c h w"]:
    return artifact.array("latents.npy", (len(workspace.training_set), *workspace.latent_shape))


def _losses(workspace: Workspace, artifact: Artifact) -> Float[ndarray, "examples timesteps pool"]:
    probe = workspace.probe
    return artifact.array("losses.npy", (len(workspace.training_set), len(probe.timesteps), probe.pool))


LATENTS = ArtifactKind("latents", ("model", "training_set", "dtype"), _latents)
LOSSES = ArtifactKind("losses", ("model", "loss", "training_set", "dtype", "probe"), _losses)


def training_latents(
    workspace: Workspace, rows: Sequence[int] | Int[ndarray, " n"]
) -> Float[Tensor, "n c h w"]:
    """Return the scaled latents of some training images, on the CPU.

    They are read from the artifact if it is there; without one they are encoded now and kept in memory,
    so that a small workspace need not carry them.
    """
    if workspace.has(LATENTS):
        return torch.from_numpy(np.array(workspace.load(LATENTS)[list(rows)]))
    known, training_set = workspace.cache("latents", len(workspace.training_set)), workspace.training_set
    stored = {int(row): known.get(str(int(row))) for row in rows}
    found = {row: latent for row, latent in stored.items() if latent is not None}
    missing = [row for row in stored if row not in found]
    for start in range(0, len(missing), ENCODE_BATCH):
        batch = missing[start : start + ENCODE_BATCH]
        images = [prepared(training_set.image(row), workspace.resolution) for row in batch]
        for row, latent in zip(batch, workspace.model.encode_images(images).float().cpu(), strict=True):
            known.put(str(row), latent)
            found[row] = latent
    return torch.stack([found[int(row)] for row in rows])


def training_inputs(
    workspace: Workspace, rows: Sequence[int] | Int[ndarray, " n"]
) -> tuple[Float[Tensor, "n c h w"], Conditioning, list[str]]:
    """Return latents, captions as the denoiser sees them, and ids of some training images."""
    training_set = workspace.training_set
    captions = workspace.model.encode_captions([training_set.captions[row] for row in rows])
    return training_latents(workspace, rows), captions, [training_set.ids[row] for row in rows]

"""What is known of every training image under the model as it is: its latent, and its losses.

Where a model was trained on pictures and their mirror images (`Preparation.flips`), losses of both sides
are known; where on several captions a picture, the loss of a picture is the mean over them, of either side,
as AbU measures COCO. What differentiates losses (curvature, gradients, features) takes the picture as it is
with its first caption.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from numpy import ndarray
from PIL import Image, ImageOps
from torch import Tensor

from attribution.data.preprocessing import LARGER_SIDE, NO_FLIPS
from attribution.errors import ArtifactError
from attribution.models.batch import Conditioning
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.store import Artifact
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import IMPORTED

ENCODE_BATCH = 32


def _latents(workspace: Workspace, artifact: Artifact) -> Float[ndarray, "examples c h w"]:
    return artifact.array("latents.npy", (len(workspace.training_set), *workspace.latent_shape))


def _losses(workspace: Workspace, artifact: Artifact) -> Float[ndarray, "examples timesteps pool"]:
    probe = workspace.probe
    return artifact.array("losses.npy", (len(workspace.training_set), len(probe.timesteps), probe.pool))


def _captions(workspace: Workspace, artifact: Artifact) -> Float[ndarray, "examples captions tokens width"]:
    return artifact.array("captions.npy")


LATENTS = ArtifactKind("latents", ("model", "training_set", "dtype"), _latents)
LOSSES = ArtifactKind("losses", ("model", "loss", "training_set", "dtype", "probe"), _losses)
CAPTIONS = ArtifactKind("captions", ("model", "training_set"), _captions, "import-abu")
FLIPPED = {"flipped": "yes"}  # an option of latents and losses: of the mirror images


def training_latents(
    workspace: Workspace, rows: Sequence[int] | Int[ndarray, " n"]
) -> Float[Tensor, "n c h w"]:
    """Return the scaled latents of some training images, on the CPU.

    They are read from the artifact if it is there; without one they are encoded now and kept in memory,
    so that a small workspace need not carry them.
    """
    return side_latents(workspace, rows, flipped=False)


def side_latents(
    workspace: Workspace, rows: Sequence[int] | Int[ndarray, " n"], flipped: bool
) -> Float[Tensor, "n c h w"]:
    """Return the latents of some training images as they are, or of their mirror images."""
    kind = latents_kind(flipped)
    if workspace.has(kind):
        return torch.from_numpy(np.array(workspace.load(kind)[list(rows)]))
    known = workspace.cache(kind.folder, len(workspace.training_set))
    stored = {int(row): known.get(str(int(row))) for row in rows}
    found = {row: latent for row, latent in stored.items() if latent is not None}
    missing = [row for row in stored if row not in found]
    for start in range(0, len(missing), ENCODE_BATCH):
        batch = missing[start : start + ENCODE_BATCH]
        images = prepared_images(workspace, batch, flipped)
        for row, latent in zip(batch, workspace.model.encode_images(images).float().cpu(), strict=True):
            known.put(str(row), latent)
            found[row] = latent
    return torch.stack([found[int(row)] for row in rows])


def prepared_images(workspace: Workspace, rows: Iterable[int], flipped: bool = False) -> list[Image.Image]:
    """Return some training images as the model sees them, or their mirror images."""
    images = [workspace.prepared(workspace.training_set.image(row)) for row in rows]
    return [ImageOps.mirror(image) for image in images] if flipped else images


def training_inputs(
    workspace: Workspace, rows: Sequence[int] | Int[ndarray, " n"]
) -> tuple[Float[Tensor, "n c h w"], Conditioning, list[str]]:
    """Return latents, captions as the denoiser sees them, and ids of some training images."""
    training_set = workspace.training_set
    (first,) = training_captions(workspace, rows, most=1)
    return training_latents(workspace, rows), first.captions, [training_set.ids[row] for row in rows]


class Told(NamedTuple):
    """What the denoiser is told of those of some training images that have a first, a second, ... caption.

    Attributes:
        which: their places among those training images.
    """

    which: Int[ndarray, " k"]
    captions: Conditioning


def training_captions(
    workspace: Workspace, rows: Sequence[int] | Int[ndarray, " n"], most: int | None = None
) -> list[Told]:
    """Return what the denoiser is told of some training images: their first captions, their second, ...

    Args:
        most: so many of each image at most; None for all.
    """
    model, training_set = workspace.model, workspace.training_set
    if workspace.has(CAPTIONS):
        stored = torch.from_numpy(np.asarray(workspace.load(CAPTIONS)[list(rows)], np.float32))
        everywhere = np.arange(len(stored))
        of_number = stored[:, :most].unbind(dim=1)
        return [Told(everywhere, Conditioning(each.to(model.device))) for each in of_number]
    captions = [[training_set.captions[row]] for row in rows]
    if training_set.most_captions > 1:
        captions = [
            [*own, *training_set.examples[row].others] for own, row in zip(captions, rows, strict=True)
        ]
    told = []
    for number in range(max(map(len, captions)))[:most]:
        which = np.flatnonzero([len(own) > number for own in captions])
        told.append(Told(which, model.encode_captions([captions[place][number] for place in which])))
    return told


def mean_over_captions(
    told: Sequence[Told], losses: Sequence[Float[ndarray, "_ timesteps noises"]]
) -> Float64[ndarray, "n timesteps noises"]:
    """Return the mean loss of each training image over its captions, given those with each caption."""
    total = np.zeros((len(told[0].which), *losses[0].shape[1:]))  # all have a first one
    counts = np.zeros(len(total))
    for each, own in zip(told, losses, strict=True):
        total[each.which] += own
        counts[each.which] += 1
    mean: Float64[ndarray, "n timesteps noises"] = total / counts[:, None, None]
    return mean


def captions_each(workspace: Workspace) -> int:
    """Return over how many captions of a training image a loss is the mean, at most."""
    stored = workspace.has(CAPTIONS)
    return workspace.load(CAPTIONS).shape[1] if stored else workspace.training_set.most_captions


def sides(workspace: Workspace) -> tuple[bool, ...]:
    """Return which sides of its pictures the model was trained on: as they are, and flipped (True)."""
    return (False,) if flips_of(workspace) == NO_FLIPS else (False, True)


def flips_of(workspace: Workspace) -> str:
    """Return what becomes of both sides, see `Preparation`."""
    flips, mirrored = workspace.config.preparation.flips, latents_kind(flipped=True)
    if flips != NO_FLIPS or not workspace.has(mirrored):
        return flips
    # The workspace of a published model, of older versions, says it by nothing but its latents.
    try:
        imported = IMPORTED in workspace.artifact(mirrored).manifest["settings"]
    except ArtifactError:  # of what the workspace was bound to before: they say nothing any more
        return NO_FLIPS
    return LARGER_SIDE if imported else NO_FLIPS


def latents_kind(flipped: bool) -> ArtifactKind[Float[ndarray, "examples c h w"]]:
    """Return what holds the latents of either side."""
    return LATENTS.of(**FLIPPED) if flipped else LATENTS


def losses_kind(flipped: bool) -> ArtifactKind[Float[ndarray, "examples timesteps pool"]]:
    """Return what holds the losses of either side."""
    return LOSSES.of(**FLIPPED) if flipped else LOSSES


def known_losses(
    workspace: Workspace,
) -> tuple[ArtifactKind[Float[ndarray, "examples timesteps pool"]], ...]:
    """Return what must have been measured where a training image is measured again: its losses before."""
    return tuple(map(losses_kind, sides(workspace)))


def mean_losses(workspace: Workspace, rows: Int[ndarray, " n"]) -> Float64[ndarray, " n"]:
    """Return the loss of some training images under the loaded weights, over all draws of each."""
    losses = [workspace.load(kind)[rows] for kind in known_losses(workspace)]
    of_sides = [each.mean(axis=(1, 2), dtype=np.float64) for each in losses]
    mean: Float64[ndarray, " n"] = np.maximum(np.mean(of_sides, axis=0), np.finfo(np.float64).tiny)
    return mean

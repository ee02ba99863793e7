"""The latents of the training images, scaled as the U-Net sees them, float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np
from PIL import Image

from attribution.errors import NonFiniteError
from attribution.workspace.baseline import FLIPPED, LATENTS, sides
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs.base import Kind, PerExample, write_array
from precompute.work import Work


@dataclass(frozen=True)
class Latents(PerExample):
    kind: Kind = LATENTS
    description: str = "encode the training images"

    def variants(self, workspace: Workspace) -> tuple[Latents, ...]:
        return tuple(
            replace(self, kind=LATENTS.of(**FLIPPED) if each else LATENTS) for each in sides(workspace)
        )

    def work(self, workspace: Workspace) -> Work:
        return Work(pictures=1, stored=4 * prod(workspace.latent_shape) * self.count(workspace))

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        model, training_set = workspace.model, workspace.training_set
        images = [workspace.prepared(training_set.image(row)) for row in rows]
        if self.kind == LATENTS.of(**FLIPPED):
            images = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in images]
        latents = model.encode_images(images).float().cpu().numpy()
        bad = [
            training_set.ids[row] for row, z in zip(rows, latents, strict=True) if not np.isfinite(z).all()
        ]
        if bad:
            raise NonFiniteError(f"the latents of {', '.join(bad[:5])} are not finite")
        return {"latents": latents}

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        write_array((chunk["latents"] for chunk in chunks), folder / "latents.npy", rows)


JOBS = (Latents(),)

"""The latents of the training images, scaled as the U-Net sees them, float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np

from attribution.errors import NonFiniteError
from attribution.workspace.baseline import LATENTS, latents_kind, prepared_images, sides
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs.base import Kind, PerExample, write_array
from precompute.work import Work


@dataclass(frozen=True)
class Latents(PerExample):
    kind: Kind = LATENTS
    description: str = "encode the training images"

    def variants(self, workspace: Workspace) -> tuple[Latents, ...]:
        return tuple(replace(self, kind=latents_kind(flipped)) for flipped in sides(workspace))

    def work(self, workspace: Workspace) -> Work:
        return Work(pictures=1, stored=4 * prod(workspace.latent_shape) * self.count(workspace))

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        images = prepared_images(workspace, rows, self.kind == latents_kind(flipped=True))
        latents = workspace.model.encode_images(images).float().cpu().numpy()
        ids = workspace.training_set.ids
        bad = [ids[row] for row, z in zip(rows, latents, strict=True) if not np.isfinite(z).all()]
        if bad:
            raise NonFiniteError(f"the latents of {', '.join(bad[:5])} are not finite")
        return {"latents": latents}

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        write_array((chunk["latents"] for chunk in chunks), folder / "latents.npy", rows)


JOBS = (Latents(),)

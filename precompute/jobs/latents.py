"""The latents of the training images, scaled as the U-Net sees them, float32."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from attribution.data.preprocessing import prepared
from attribution.errors import NonFiniteError
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs import Options, write_array


class Latents:
    artifact = "latents"
    unit = "images"

    def count(self, workspace: Workspace, options: Options) -> int:
        return len(workspace.training_set)

    def settings(self, workspace: Workspace, options: Options) -> Mapping[str, Any]:
        return {}

    def chunk(self, workspace: Workspace, rows: range, options: Options) -> Chunk:
        model, training_set = workspace.model, workspace.training_set
        images = [prepared(training_set.image(row), model.resolution) for row in rows]
        latents = model.encode_images(images).float().cpu().numpy()
        bad = [
            training_set.ids[row] for row, z in zip(rows, latents, strict=True) if not np.isfinite(z).all()
        ]
        if bad:
            raise NonFiniteError(f"the latents of {', '.join(bad[:5])} are not finite")
        return {"latents": latents}

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        write_array((chunk["latents"] for chunk in chunks), folder / "latents.npy", rows)


JOB = Latents()

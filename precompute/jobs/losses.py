"""The losses of the training images under the model as it is: (examples, timesteps, pool), float32."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attribution.models.losses import example_losses
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs import Options, rows_of, write_array


class Losses:
    artifact = "losses"
    unit = "images"

    def count(self, workspace: Workspace, options: Options) -> int:
        return len(workspace.training_set)

    def settings(self, workspace: Workspace, options: Options) -> Mapping[str, Any]:
        return {}  # the probe is a fingerprint

    def chunk(self, workspace: Workspace, rows: range, options: Options) -> Chunk:
        latents, captions, ids = rows_of(workspace, rows)
        return {
            "losses": example_losses(
                workspace.model,
                workspace.model.weights,
                latents,
                captions,
                ids,
                workspace.probe,
                options.batch_size,
                range(workspace.probe.pool),
            )
        }

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        write_array((chunk["losses"] for chunk in chunks), folder / "losses.npy", rows)


JOB = Losses()

"""The losses of the training images under the model as it is: (examples, timesteps, noises), float32."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attribution.losses import example_losses
from attribution.workspace import Workspace
from attribution.writer import Chunk
from precompute.jobs import Options, write_array


class Losses:
    artifact = "losses"
    unit = "images"

    def settings(self, options: Options) -> Mapping[str, Any]:
        return {}  # the probe is a fingerprint

    def chunk(self, workspace: Workspace, rows: range, options: Options) -> Chunk:
        model, training_set = workspace.model, workspace.training_set
        return {
            "losses": example_losses(
                model,
                model.weights,
                workspace.latents(rows),
                model.encode_captions(training_set.captions[rows.start : rows.stop]),
                training_set.ids[rows.start : rows.stop],
                workspace.probe,
                options.batch_size,
            )
        }

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        write_array((chunk["losses"] for chunk in chunks), folder / "losses.npy", rows)


JOB = Losses()

"""The losses of the training images under the model as it is: (examples, timesteps, pool), float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from attribution.models.losses import example_losses
from attribution.workspace.baseline import LATENTS, LOSSES, training_inputs
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs.base import Kind, PerExample, write_array
from precompute.work import Work


@dataclass(frozen=True)
class Losses(PerExample):
    """At every noise of the probe's pool; the probe is a fingerprint."""

    kind: Kind = LOSSES
    description: str = "measure the loss of every training image"
    reads: tuple[Kind, ...] = (LATENTS,)

    def work(self, workspace: Workspace) -> Work:
        draws = len(workspace.probe.timesteps) * workspace.probe.pool
        return Work(passes=draws, stored=4 * draws * self.count(workspace))

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        latents, captions, ids = training_inputs(workspace, rows)
        model, probe = workspace.model, workspace.probe
        pool = range(probe.pool)
        losses = example_losses(
            model, model.weights, latents, captions, ids, probe, batch_size, noises=pool
        )
        return {"losses": losses}

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        write_array((chunk["losses"] for chunk in chunks), folder / "losses.npy", rows)


JOBS = (Losses(),)

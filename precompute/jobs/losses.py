"""The losses of the training images under the model as it is: (examples, timesteps, pool), float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from attribution.models.losses import example_losses
from attribution.workspace.baseline import (
    LATENTS,
    LOSSES,
    captions_each,
    losses_kind,
    mean_over_captions,
    side_latents,
    sides,
    training_captions,
)
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs.base import Kind, PerExample, write_array
from precompute.work import Work


@dataclass(frozen=True)
class Losses(PerExample):
    """At every noise of the probe's pool; a mean over the picture's captions."""

    kind: Kind = LOSSES
    description: str = "measure the loss of every training image"
    reads: tuple[Kind, ...] = (LATENTS,)

    def variants(self, workspace: Workspace) -> tuple[Losses, ...]:
        return tuple(replace(self, kind=losses_kind(flipped)) for flipped in sides(workspace))

    def work(self, workspace: Workspace) -> Work:
        draws = len(workspace.probe.timesteps) * workspace.probe.pool
        passes = draws * captions_each(workspace)
        return Work(passes=passes, stored=4 * draws * self.count(workspace))

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        flipped = self.kind == losses_kind(flipped=True)
        latents = side_latents(workspace, rows, flipped)
        ids = [workspace.training_set.ids[row] for row in rows]
        model, probe = workspace.model, workspace.probe
        pool = range(probe.pool)
        told = training_captions(workspace, rows)
        of_captions = [
            example_losses(
                model, model.weights, latents[which], captions, [ids[place] for place in which],
                probe, batch_size, pool, flipped,
            )
            for which, captions in told
        ]  # fmt: skip
        return {"losses": mean_over_captions(told, of_captions).astype(np.float32)}

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        write_array((chunk["losses"] for chunk in chunks), folder / "losses.npy", rows)


JOBS = (Losses(),)

"""Every training image's projected gradient over all weights: the features of TRAK, D-TRAK and DAS.

An inner-product FAISS index of directions, and their lengths, of the model and of each of its checkpoints.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attribution.errors import NonFiniteError, SettingsError
from attribution.gradients.features import D_TRAK, DAS, TRAK
from attribution.gradients.projection import Sketch
from attribution.gradients.whole import balanced_gradient, probe_batch, projected_gradient, spread_levels
from attribution.models.base import DiffusionModel, Objective
from attribution.models.batch import Batch
from attribution.workspace.baseline import LATENTS, training_inputs
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs.base import Job, Kind, PerExample, directed, option, write_directed
from precompute.work import Work, index_bytes

BITS = (4, 8)  # a dimension: docs/PERFORMANCE.md has what the fewer cost


@dataclass(frozen=True)
class ProjectedGradients(PerExample):
    """One backward pass an image, through the whole denoiser, over all draws of the probe.

    Attributes:
        objective: what the gradient is of.
    """

    kind: Kind
    description: str
    objective: Objective
    reads: tuple[Kind, ...] = (LATENTS,)
    dimensions: int = option(2048, "of a projected gradient")
    bits: int = option(4, "4 or 8, in which a dimension of a projected gradient is kept")

    def variants(self, workspace: Workspace) -> tuple[Job, ...]:
        return (self, *(replace(self, kind=self.kind.of(name)) for name in workspace.config.checkpoints))

    def settings(self, workspace: Workspace) -> Mapping[str, Any]:
        if self.bits not in BITS:
            raise SettingsError(f"bits is {self.bits}: choose 4 or 8")
        return {
            "objective": str(self.objective),
            "timesteps": list(workspace.probe.timesteps),
            "dimensions": self.dimensions,
            "sketch_seed": self._sketch_seed,
            "bits": self.bits,
        }

    def work(self, workspace: Workspace) -> Work:
        draws = self._levels(workspace) * workspace.probe.noises
        stored = index_bytes(self.count(workspace), self.dimensions, self.bits)
        return Work(whole=draws, stored=stored)

    def _levels(self, workspace: Workspace) -> int:
        """At how many of the probe's timesteps it differentiates."""
        return len(workspace.probe.timesteps)

    @property
    def _sketch_seed(self) -> int:
        """Each checkpoint has a projection of its own, so that their mean has less of its noise."""
        return zlib.crc32(self.kind.checkpoint.encode())

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        model = workspace.checkpoint(self.kind.checkpoint)
        latents, captions, ids = training_inputs(workspace, rows)
        sketch = Sketch(self.dimensions, self._sketch_seed, model.all_shapes)
        found = []
        for k, example_id in enumerate(ids):
            batch = probe_batch(model, latents[k : k + 1], captions[k : k + 1], example_id, workspace.probe)
            try:
                found.append(self.gradient(workspace, model, batch, sketch, batch_size))
            except NonFiniteError as problem:
                raise NonFiniteError(f"{example_id}: {problem}") from None
        residuals = torch.stack([losses.mean().sqrt() for losses, _ in found])
        vectors = torch.stack([vector for _, vector in found]).float()
        return {**directed(vectors), "residuals": residuals.float().numpy()}

    def gradient(
        self, workspace: Workspace, model: DiffusionModel, batch: Batch, sketch: Sketch, batch_size: int
    ) -> tuple[Float[Tensor, " draws"], Float64[Tensor, " dimensions"]]:
        """Return the losses and the feature of one training image, whose draws of the probe are given."""
        return projected_gradient(model, batch, self.objective, sketch, batch_size=batch_size)

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        write_directed(list(chunks), folder, f"{self.kind.folder}.faiss", self.bits)


@dataclass(frozen=True)
class BalancedGradients(ProjectedGradients):
    """A backward pass for each of a few timesteps, which then count alike; and how far from fitted it is.

    Of the model itself alone. With all timesteps of the probe it would take as many passes as there are.
    """

    levels: int = option(4, "timesteps of the probe at which DAS differentiates, evenly spread")

    def variants(self, workspace: Workspace) -> tuple[Job, ...]:
        return (self,)

    def _levels(self, workspace: Workspace) -> int:
        return len(spread_levels(workspace.probe.timesteps, self.levels))

    def settings(self, workspace: Workspace) -> Mapping[str, Any]:
        timesteps = workspace.probe.timesteps
        chosen = [timesteps[level] for level in spread_levels(timesteps, self.levels)]
        return {**super().settings(workspace), "timesteps": chosen}

    def gradient(
        self, workspace: Workspace, model: DiffusionModel, batch: Batch, sketch: Sketch, batch_size: int
    ) -> tuple[Float[Tensor, " draws"], Float64[Tensor, " dimensions"]]:
        noises, levels = workspace.probe.noises, spread_levels(workspace.probe.timesteps, self.levels)
        part = batch[torch.tensor([level * noises + k for level in levels for k in range(noises)])]
        return balanced_gradient(model, part, self.objective, sketch, len(levels), batch_size=batch_size)

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        parts = list(chunks)
        np.save(folder / "residuals.npy", np.concatenate([part["residuals"] for part in parts]))
        super().assemble(iter(parts), folder, rows)


JOBS = (
    ProjectedGradients(
        TRAK, "project the gradient of every training image's loss over all weights", Objective.LOSS
    ),
    ProjectedGradients(
        D_TRAK,
        "project the gradient of every training image's squared prediction over all weights",
        Objective.SQUARED_OUTPUT,
    ),
    BalancedGradients(
        DAS,
        "project the gradient of every training image's mean prediction, at a few timesteps",
        Objective.MEAN_OUTPUT,
    ),
)

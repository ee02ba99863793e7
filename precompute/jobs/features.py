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
from jaxtyping import Float
from torch import Tensor

from attribution.errors import NonFiniteError
from attribution.gradients.features import D_TRAK, TRAK
from attribution.gradients.projection import Sketch
from attribution.gradients.whole import probe_batch, projected_gradient
from attribution.models.base import DiffusionModel, Objective
from attribution.models.batch import Batch
from attribution.workspace.baseline import LATENTS
from attribution.workspace.vector_index import write_index
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs.base import Job, Kind, PerExample, option, rows_of

BITS = 4  # a dimension, as first-order gradients have


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

    def variants(self, workspace: Workspace) -> tuple[Job, ...]:
        return (self, *(replace(self, kind=self.kind.of(name)) for name in workspace.config.checkpoints))

    def settings(self, workspace: Workspace) -> Mapping[str, Any]:
        return {
            "objective": str(self.objective),
            "timesteps": list(workspace.probe.timesteps),
            "dimensions": self.dimensions,
            "sketch_seed": self._sketch_seed,
            "bits": BITS,
        }

    @property
    def _sketch_seed(self) -> int:
        """Each checkpoint has a projection of its own, so that their mean has less of its noise."""
        return zlib.crc32(self.kind.checkpoint.encode())

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        model = workspace.checkpoint(self.kind.checkpoint)
        latents, captions, ids = rows_of(workspace, rows)
        sketch = Sketch(self.dimensions, self._sketch_seed, model.all_shapes)
        features = []
        for k, example_id in enumerate(ids):
            batch = probe_batch(model, latents[k : k + 1], captions[k : k + 1], example_id, workspace.probe)
            try:
                features.append(self.feature(model, batch, sketch, batch_size))
            except NonFiniteError as problem:
                raise NonFiniteError(f"{example_id}: {problem}") from None
        vectors = torch.stack(features)
        lengths = vectors.norm(dim=1)
        directions = vectors / lengths.clamp_min(torch.finfo(lengths.dtype).tiny)[:, None]
        return {"directions": directions.numpy(), "lengths": lengths.numpy()}

    def feature(
        self, model: DiffusionModel, batch: Batch, sketch: Sketch, batch_size: int
    ) -> Float[Tensor, " dimensions"]:
        """Return what is stored of one training image."""
        return projected_gradient(model, batch, self.objective, sketch, batch_size=batch_size)[1].float()

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        parts = list(chunks)
        np.save(folder / "lengths.npy", np.concatenate([part["lengths"] for part in parts]))
        write_index((part["directions"] for part in parts), folder / f"{self.kind.folder}.faiss", BITS)


JOBS = (
    ProjectedGradients(
        TRAK, "project the gradient of every training image's loss over all weights", Objective.LOSS
    ),
    ProjectedGradients(
        D_TRAK,
        "project the gradient of every training image's squared prediction over all weights",
        Objective.SQUARED_OUTPUT,
    ),
)

"""Every training image's gradient, whitened and sketched, as an inner-product FAISS index.

What a first-order query searches. Bound to the curvature that whitens, its damping and the sketch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attribution.gradients.per_example import example_gradients
from attribution.gradients.projection import sketched_gradients
from attribution.gradients.stored import (
    ALLOTMENT,
    EKFAC,
    GRADIENTS,
    KFAC,
    curvature_checksum,
    damped_curvature,
    sketch_of,
)
from attribution.workspace.baseline import LATENTS, training_inputs
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs.base import Kind, PerExample, directed, option, write_directed
from precompute.work import Work, index_bytes

DAMPING = 0.1  # of the mean eigenvalue of each layer (FastGDA)
SKETCH_SEED = 0
DIMENSIONS = 2048
BITS = 4  # a dimension: docs/PERFORMANCE.md has what that costs


@dataclass(frozen=True)
class Gradients(PerExample):
    kind: Kind = GRADIENTS
    description: str = "whiten and sketch the gradient of every training image, for first-order answers"
    reads: tuple[Kind, ...] = (LATENTS, ALLOTMENT, KFAC, EKFAC)
    together: tuple[Kind, ...] = (ALLOTMENT, KFAC, EKFAC)
    dimensions: int = option(DIMENSIONS, "of a sketched gradient")

    def settings(self, workspace: Workspace) -> Mapping[str, Any]:
        return {
            "dimensions": self.dimensions,
            "sketch_seed": SKETCH_SEED,
            "bits": BITS,
            "curvature": EKFAC.name,
            "damping": DAMPING,
            "curvature_checksum": curvature_checksum(workspace, EKFAC.name),
        }

    def work(self, workspace: Workspace) -> Work:
        draws = len(workspace.probe.timesteps) * workspace.probe.noises
        stored = index_bytes(self.count(workspace), self.dimensions, BITS)
        return Work(gradients=draws, stored=stored)

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        latents, captions, ids = training_inputs(workspace, rows)
        groups = example_gradients(workspace.model, latents, captions, ids, workspace.probe, batch_size)
        sketch = sketch_of(workspace.model, self.dimensions, SKETCH_SEED)
        vectors = sketched_gradients(groups, damped_curvature(workspace, EKFAC.name, DAMPING), sketch)
        return directed(vectors)

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        write_directed(list(chunks), folder, "gradients.faiss", BITS)


JOBS = (Gradients(),)

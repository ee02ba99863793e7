"""Every training image's gradient, whitened and sketched, as an inner-product FAISS index.

What a first-order query searches. Bound to the curvature that whitens, its damping and the sketch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from attribution.gradients.per_example import example_gradients
from attribution.gradients.projection import sketched_gradients
from attribution.workspace.vector_index import write_index
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs import Options, rows_of

CURVATURE = "ekfac"
DAMPING = 0.1  # of the mean eigenvalue of each layer (FastGDA)
SKETCH_SEED = 0
BITS = 4  # a dimension: docs/PERFORMANCE.md has what that costs


class Gradients:
    artifact = "gradients"
    unit = "images"

    def count(self, workspace: Workspace, options: Options) -> int:
        return len(workspace.training_set)

    def settings(self, workspace: Workspace, options: Options) -> Mapping[str, Any]:
        return {
            "dimensions": options.dimensions,
            "sketch_seed": SKETCH_SEED,
            "bits": BITS,
            "curvature": CURVATURE,
            "damping": DAMPING,
            "curvature_checksum": workspace.curvature_checksum(CURVATURE),
        }

    def chunk(self, workspace: Workspace, rows: range, options: Options) -> Chunk:
        latents, captions, ids = rows_of(workspace, rows)
        groups = example_gradients(
            workspace.model, latents, captions, ids, workspace.probe, options.batch_size
        )
        sketch = workspace.sketch(options.dimensions, SKETCH_SEED)
        vectors = sketched_gradients(groups, workspace.curvature(CURVATURE, DAMPING), sketch)
        lengths = vectors.norm(dim=1)
        directions = vectors / lengths.clamp_min(torch.finfo(lengths.dtype).tiny)[:, None]
        return {"directions": directions.numpy(), "lengths": lengths.numpy()}

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        parts = list(chunks)
        lengths = np.concatenate([part["lengths"] for part in parts])
        np.save(folder / "lengths.npy", lengths)
        write_index((part["directions"] for part in parts), folder / "gradients.faiss", BITS)


JOB = Gradients()

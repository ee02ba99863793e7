"""The eigenbases of the Kronecker factors of the Fisher information: where EK-FAC is diagonal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from attribution.gradients.curvature import eigenbases, kronecker_chunk
from attribution.gradients.fisher import mean_of_chunks
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs import Options, chunk_of, rows_of, sums_of


class Kfac:
    artifact = "kfac"
    unit = "images"

    def count(self, workspace: Workspace, options: Options) -> int:
        return len(workspace.training_set)

    def settings(self, workspace: Workspace, options: Options) -> Mapping[str, Any]:
        return {"draws": options.draws, "seed": options.seed}

    def chunk(self, workspace: Workspace, rows: range, options: Options) -> Chunk:
        latents, captions, ids = rows_of(workspace, rows)
        return chunk_of(
            kronecker_chunk(
                workspace.model, latents, captions, ids, options.draws, options.seed, options.batch_size
            )
        )

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        bases = eigenbases(mean_of_chunks(map(sums_of, chunks)))
        arrays = {name: basis.numpy() for name, basis in sorted(bases.items())}
        (folder / "bases.safetensors").write_bytes(save(arrays))


JOB = Kfac()

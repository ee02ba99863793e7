"""EK-FAC's eigenvalues: the mean squared per-draw gradient in the eigenbases of the `kfac` job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from attribution.gradients.curvature import eigenvalue_chunk
from attribution.gradients.fisher import mean_of_chunks
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs import Options, chunk_of, rows_of, sums_of


class Ekfac:
    artifact = "ekfac"
    unit = "images"

    def count(self, workspace: Workspace, options: Options) -> int:
        return len(workspace.training_set)

    def settings(self, workspace: Workspace, options: Options) -> Mapping[str, Any]:
        bases = workspace.artifact("kfac").checksum
        return {"draws": options.draws, "seed": options.seed, "bases": bases}

    def chunk(self, workspace: Workspace, rows: range, options: Options) -> Chunk:
        latents, captions, ids = rows_of(workspace, rows)
        bases = workspace.bases()
        return chunk_of(
            eigenvalue_chunk(
                workspace.model,
                latents,
                captions,
                ids,
                options.draws,
                options.seed,
                bases,
                options.batch_size,
            )
        )

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        eigenvalues = mean_of_chunks(map(sums_of, chunks))
        arrays = {name: value.float().numpy() for name, value in sorted(eigenvalues.items())}
        (folder / "eigenvalues.safetensors").write_bytes(save(arrays))


JOB = Ekfac()

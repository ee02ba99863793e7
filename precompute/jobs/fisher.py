"""The diagonal Fisher information of the key and value projections over the training set.

Chunks hold float64 *sums* and how many draws are in them, so that a short last chunk counts for what
it is; they are added in order and divided once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from attribution.gradients.fisher import fisher_chunk, mean_of_chunks
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs import Options, chunk_of, rows_of, sums_of


class Fisher:
    artifact = "fisher"
    unit = "images"

    def count(self, workspace: Workspace, options: Options) -> int:
        return len(workspace.training_set)

    def settings(self, workspace: Workspace, options: Options) -> Mapping[str, Any]:
        return {"draws": options.draws, "seed": options.seed}

    def chunk(self, workspace: Workspace, rows: range, options: Options) -> Chunk:
        latents, captions, ids = rows_of(workspace, rows)
        return chunk_of(
            fisher_chunk(
                workspace.model, latents, captions, ids, options.draws, options.seed, options.batch_size
            )
        )

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        fisher = mean_of_chunks(map(sums_of, chunks))
        arrays = {name: value.float().numpy() for name, value in sorted(fisher.items())}
        (folder / "fisher.safetensors").write_bytes(save(arrays))


JOB = Fisher()

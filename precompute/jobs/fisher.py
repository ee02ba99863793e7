"""The diagonal Fisher information of the key and value projections over the training set.

Chunks hold float64 *sums* and how many draws are in them, so that a short last chunk counts for what
it is; they are added in order and divided once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save

from attribution.fisher import fisher_chunk, mean_of_chunks
from attribution.workspace import Workspace
from attribution.writer import Chunk
from precompute.jobs import Options

COUNT = "draws in the sums"


class Fisher:
    artifact = "fisher"
    unit = "images"

    def settings(self, options: Options) -> Mapping[str, Any]:
        return {"draws": options.draws, "seed": options.seed}

    def chunk(self, workspace: Workspace, rows: range, options: Options) -> Chunk:
        model, training_set = workspace.model, workspace.training_set
        sums, draws = fisher_chunk(
            model,
            workspace.latents(rows),
            model.encode_captions(training_set.captions[rows.start : rows.stop]),
            training_set.ids[rows.start : rows.stop],
            options.draws,
            options.seed,
            options.batch_size,
        )
        return {name: value.numpy() for name, value in sums.items()} | {COUNT: np.array([draws])}

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        def sums() -> Iterator[tuple[dict[str, torch.Tensor], int]]:
            for chunk in chunks:
                draws = int(chunk.pop(COUNT)[0])
                yield {name: torch.from_numpy(value) for name, value in chunk.items()}, draws

        fisher = mean_of_chunks(sums())
        arrays = {name: value.float().numpy() for name, value in sorted(fisher.items())}
        (folder / "fisher.safetensors").write_bytes(save(arrays))


JOB = Fisher()

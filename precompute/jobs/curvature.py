"""The Fisher information of the layers that are unlearned: its diagonal, its eigenbases, its eigenvalues.

All three are expectations over per-draw gradients. Chunks hold float64 *sums* and how many draws are in
them, so that a short last chunk counts for what it is; they are added in order and divided once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from safetensors.numpy import save
from torch import Tensor

from attribution.gradients.curvature import eigenbases, eigenvalue_chunk, kronecker_chunk
from attribution.gradients.fisher import Sums, fisher_chunk, mean_of_chunks
from attribution.gradients.stored import EKFAC, FISHER, KFAC
from attribution.workspace.baseline import LATENTS
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.jobs.base import Kind, PerExample, option, rows_of

COUNT = "draws in the sums"
Means = dict[str, Float64[Tensor, "rows columns"]]
SumsOf = Callable[[Workspace, range, int, int, int], Sums]  # (.., rows, draws, seed, batch size)


@dataclass(frozen=True)
class Expectation(PerExample):
    """An artifact that is a mean over per-draw gradients.

    Attributes:
        sums: what some training images add to it.
        finished: means => the tensors that are stored.
        file: their name.
        draws: (timestep, noise) draws of each training image, the same ones in all three.
        seed: of those draws.
    """

    kind: Kind
    description: str
    sums: SumsOf
    finished: Callable[[Means], Mapping[str, Tensor]]
    file: str
    reads: tuple[Kind, ...] = (LATENTS,)
    together: tuple[Kind, ...] = ()
    draws: int = option(8, "of the Fisher information, per training image")
    seed: int = 0

    def settings(self, workspace: Workspace) -> Mapping[str, Any]:
        settings: dict[str, Any] = {"draws": self.draws, "seed": self.seed}
        if KFAC in self.reads:
            settings["bases"] = workspace.artifact(KFAC).checksum
        return settings

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        return chunk_of(self.sums(workspace, rows, self.draws, self.seed, batch_size))

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        stored = self.finished(mean_of_chunks(map(sums_of, chunks)))
        arrays = {name: value.float().numpy() for name, value in sorted(stored.items())}
        (folder / self.file).write_bytes(save(arrays))


def chunk_of(sums: Sums) -> Chunk:
    """Return sums as they are kept between sittings."""
    return {name: value.numpy() for name, value in sums.values.items()} | {COUNT: np.array([sums.draws])}


def sums_of(chunk: Chunk) -> Sums:
    """Return the inverse of `chunk_of`."""
    values = {name: torch.from_numpy(value) for name, value in chunk.items() if name != COUNT}
    return Sums(values, int(chunk[COUNT][0]))


def _squares(workspace: Workspace, rows: range, draws: int, seed: int, batch_size: int) -> Sums:
    return fisher_chunk(workspace.model, *rows_of(workspace, rows), draws, seed, batch_size)


def _factors(workspace: Workspace, rows: range, draws: int, seed: int, batch_size: int) -> Sums:
    return kronecker_chunk(workspace.model, *rows_of(workspace, rows), draws, seed, batch_size)


def _rotated_squares(workspace: Workspace, rows: range, draws: int, seed: int, batch_size: int) -> Sums:
    bases = workspace.load(KFAC)
    return eigenvalue_chunk(workspace.model, *rows_of(workspace, rows), draws, seed, bases, batch_size)


def _as_they_are(means: Means) -> Means:
    return means


JOBS = (
    Expectation(
        FISHER,
        "estimate the Fisher information of the key and value projections",
        _squares,
        _as_they_are,
        "fisher.safetensors",
    ),
    Expectation(
        KFAC,
        "find the eigenbases of the Fisher information's Kronecker factors",
        _factors,
        eigenbases,
        "bases.safetensors",
    ),
    Expectation(
        EKFAC,
        "estimate EK-FAC's eigenvalues in them",
        _rotated_squares,
        _as_they_are,
        "eigenvalues.safetensors",
        (LATENTS, KFAC),
        (KFAC,),
    ),
)

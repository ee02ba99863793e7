"""The Fisher information of the layers that are unlearned: its diagonal, its eigenbases, its eigenvalues.

All three are expectations over per-draw gradients, of the same draws: those that are asked for together are
made in one pass. Chunks hold float64 *sums* and how many draws are in
them, so that a short last chunk counts for what it is; they are added as they come, in order, and divided
once. A chunk's sum is as large as the artifact however many images it is of: the more, the less is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

from attribution.data.array_files import file_parts
from attribution.data.files import write_durably
from attribution.gradients.curvature import eigenbasis, kronecker_factors, squares_in
from attribution.gradients.fisher import (
    DRAWS,
    Collect,
    Sums,
    added,
    cut_shares,
    draw_batches,
    effective_draws,
    means,
    squares,
    summed_at_once,
)
from attribution.gradients.stored import ALLOTMENT, EKFAC, FISHER, KFAC
from attribution.workspace.baseline import LATENTS, training_inputs
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import BASES, Chunk
from precompute.jobs.base import Job, Kind, PerExample, option
from precompute.work import Work, basis_bytes, weight_bytes

COUNT = "draws in the sums"
SIZE = "size of "  # before a name: what tells how many draws an estimate effectively rests on
AT_ONCE = 64  # training images whose latents and captions are held at once
ENOUGH = 200  # effective draws of a layer: two seeds then differ by about a tenth
OWNER = ": "  # between the artifact and the name of an array, in a chunk of several


@dataclass(frozen=True)
class Expectation(PerExample):
    """An artifact that is a mean over per-draw gradients.

    Attributes:
        collects: workspace => what some draws add to it.
        finished: what is stored of a mean.
        file: their name.
        draws: (timestep, noise) draws of each training image, the same ones in all three.
        seed: of those draws.
    """

    kind: Kind
    description: str
    collects: Callable[[Workspace], Collect]
    finished: Callable[[Float64[Tensor, "rows columns"]], Float[Tensor, "rows columns"]]
    file: str
    reads: tuple[Kind, ...] = (LATENTS, ALLOTMENT)
    together: tuple[Kind, ...] = (ALLOTMENT,)
    draws: int = option(DRAWS, "of the Fisher information, per training image")
    seed: int = 0
    adds_up = True

    @property
    def draws_read(self) -> tuple[int, int]:
        return self.draws, self.seed

    def settings(self, workspace: Workspace) -> Mapping[str, Any]:
        settings: dict[str, Any] = {
            "draws": self.draws,
            "seed": self.seed,
            "allotment": workspace.artifact(ALLOTMENT).checksum,
        }
        if KFAC in self.reads:
            settings[BASES] = workspace.artifact(KFAC).checksum
        return settings

    def work(self, workspace: Workspace) -> Work:
        stored = (basis_bytes if self.kind == KFAC else weight_bytes)(workspace.model)
        return Work(gradients=self.draws, stored=stored, sums=2 * stored)  # sums are in double precision

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        (own,) = _sums_of_all((self,), workspace, rows, batch_size)
        return chunk_of(own)

    def one_pass(self, jobs: Sequence[Job]) -> Expectations:
        return Expectations(tuple(cast(Expectation, job) for job in jobs))

    def added(self, total: Chunk, chunk: Chunk) -> Chunk:
        own = {name: np.require(array, requirements="W") for name, array in total.items()}
        return chunk_of(added(sums_of(own), sums_of(chunk)))

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> Mapping[str, Any]:
        (total,) = map(sums_of, chunks)
        # Eigenvectors come column by column, and what is saved is memory as it lies: their transpose.
        arrays = {name: np.ascontiguousarray(self.finished(mean).numpy()) for name, mean in means(total)}
        write_durably(folder / self.file, *file_parts(arrays))
        return {
            "effective_draws": {name: round(n, 1) for name, n in effective_draws(total).items()},
            "cut_shares": {name: round(share, 4) for name, share in cut_shares(total).items()},
        }

    def doubt(self, measured: Mapping[str, Any]) -> str | None:
        few = {name: n for name, n in measured["effective_draws"].items() if n < ENOUGH}
        if not few:
            return None
        name, least = min(few.items(), key=lambda item: item[1])
        return (
            f"{len(few)} of {len(measured['effective_draws'])} layers rest on fewer than {ENOUGH} draws "
            f"({name} on {least:.0f}): another seed would give another answer; raise --draws"
        )


@dataclass(frozen=True)
class Expectations:
    """Several of them that read the same draws."""

    jobs: tuple[Expectation, ...]

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        sums = _sums_of_all(self.jobs, workspace, rows, batch_size)
        return {
            f"{job.kind.folder}{OWNER}{name}": array
            for job, own in zip(self.jobs, sums, strict=True)
            for name, array in chunk_of(own).items()
        }

    def apart(self, chunk: Chunk) -> Sequence[Chunk]:
        owners = [f"{job.kind.folder}{OWNER}" for job in self.jobs]
        return [
            {name.removeprefix(own): array for name, array in chunk.items() if name.startswith(own)}
            for own in owners
        ]


def _sums_of_all(
    jobs: Sequence[Expectation], workspace: Workspace, rows: range, batch_size: int
) -> list[Sums]:
    """What some training images add to each: of jobs with the same draws."""
    spread, read = workspace.load(ALLOTMENT), jobs[0].draws_read
    batches = (
        batch
        for start in range(0, len(rows), AT_ONCE)
        for batch in draw_batches(
            workspace.model,
            *training_inputs(workspace, rows[start : start + AT_ONCE]),
            *read,
            batch_size,
            spread,
        )
    )
    return summed_at_once(batches, [job.collects(workspace) for job in jobs])


def chunk_of(sums: Sums) -> Chunk:
    """Return sums as they are kept between sittings."""
    sizes = {SIZE + name: value.cpu().numpy() for name, value in sums.sizes.items()}
    values = {name: value.cpu().numpy() for name, value in sums.values.items()}
    return values | sizes | {COUNT: np.array([sums.draws])}


def sums_of(chunk: Chunk) -> Sums:
    """Return the inverse of `chunk_of`."""
    tensors = {name: torch.from_numpy(value) for name, value in chunk.items() if name != COUNT}
    sizes = {name.removeprefix(SIZE): t for name, t in tensors.items() if name.startswith(SIZE)}
    values = {name: t for name, t in tensors.items() if not name.startswith(SIZE)}
    return Sums(values, int(chunk[COUNT][0]), sizes)


def _squares(workspace: Workspace) -> Collect:
    return squares


def _factors(workspace: Workspace) -> Collect:
    return kronecker_factors(workspace.model)


def _rotated_squares(workspace: Workspace) -> Collect:
    return squares_in(workspace.load(KFAC))


def _as_it_is(mean: Float64[Tensor, "rows columns"]) -> Float[Tensor, "rows columns"]:
    return mean.float()


JOBS = (
    Expectation(
        FISHER,
        "estimate the Fisher information of the key and value projections",
        _squares,
        _as_it_is,
        "fisher.safetensors",
    ),
    Expectation(
        KFAC,
        "find the eigenbases of the Fisher information's Kronecker factors",
        _factors,
        eigenbasis,
        "bases.safetensors",
    ),
    Expectation(
        EKFAC,
        "estimate EK-FAC's eigenvalues in them",
        _rotated_squares,
        _as_it_is,
        "eigenvalues.safetensors",
        (LATENTS, ALLOTMENT, KFAC),
        (ALLOTMENT, KFAC),
    ),
)

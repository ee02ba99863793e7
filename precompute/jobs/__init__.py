"""One artifact, one job, one file. A job says what it makes, chunk by chunk, and how chunks are joined.

Row i of every per-example array is training example i.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float
from numpy.lib import format as npy
from torch import Tensor

from attribution.gradients.fisher import Sums
from attribution.models.batch import Conditioning
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk

COUNT = "draws in the sums"


@dataclass(frozen=True)
class Options:
    """How the jobs run.

    Attributes:
        chunk: rows (training images) a chunk: the unit that survives an interruption.
        batch_size: of forward and backward passes inside a chunk.
        draws: (timestep, noise) draws per training image of the Fisher information.
        seed: of those draws.
        dimensions: of a sketched gradient.
        controls: how many control queries are asked.
    """

    chunk: int = 64
    batch_size: int = 256
    draws: int = 8
    seed: int = 0
    dimensions: int = 2048
    controls: int = 200


class Job(Protocol):
    """What makes one artifact."""

    @property
    def artifact(self) -> str: ...

    @property
    def unit(self) -> str:
        """What a row is, for the progress display."""
        ...

    def count(self, workspace: Workspace, options: Options) -> int:
        """How many rows there are."""
        ...

    def settings(self, workspace: Workspace, options: Options) -> Mapping[str, Any]:
        """The choices that change what the artifact is, beyond rounding."""
        ...

    def chunk(self, workspace: Workspace, rows: range, options: Options) -> Chunk:
        """The arrays of some consecutive rows; a function of nothing else."""
        ...

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        """Write the artifact's files from all chunks, in order."""
        ...


def rows_of(
    workspace: Workspace, rows: range
) -> tuple[Float[Tensor, "n c h w"], Conditioning, tuple[str, ...]]:
    """Latents, caption embeddings and ids of some training images."""
    training_set = workspace.training_set
    chosen = slice(rows.start, rows.stop)
    captions = workspace.model.encode_captions(training_set.captions[chosen])
    return workspace.latents(rows), captions, training_set.ids[chosen]


def chunk_of(sums: Sums) -> Chunk:
    """Sums as they are kept between sittings."""
    return {name: value.numpy() for name, value in sums.values.items()} | {COUNT: np.array([sums.draws])}


def sums_of(chunk: Chunk) -> Sums:
    """The inverse of `chunk_of`."""
    values = {name: torch.from_numpy(value) for name, value in chunk.items() if name != COUNT}
    return Sums(values, int(chunk[COUNT][0]))


def write_array(parts: Iterator[Float[np.ndarray, "n ..."]], path: Path, rows: int) -> None:
    """Write consecutive rows as one .npy file without holding them all."""
    written = 0
    with path.open("wb") as handle:
        for part in parts:
            if not written:
                header = {"descr": part.dtype.str, "fortran_order": False, "shape": (rows, *part.shape[1:])}
                npy.write_array_header_1_0(handle, header)
            handle.write(np.ascontiguousarray(part).tobytes())
            written += len(part)
    assert written == rows, f"{written} rows where {rows} were promised"

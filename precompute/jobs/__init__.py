"""One artifact, one job, one file. A job says what it makes, chunk by chunk, and how chunks are joined.

Row i of every per-example array is training example i.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float
from numpy.lib import format as npy

from attribution.workspace import Workspace
from attribution.writer import Chunk


@dataclass(frozen=True)
class Options:
    """How the jobs run.

    Attributes:
        chunk: training images a chunk: the unit that survives an interruption.
        batch_size: of forward and backward passes inside a chunk.
        draws: (timestep, noise) draws per training image of the Fisher information.
        seed: of those draws.
    """

    chunk: int = 64
    batch_size: int = 64
    draws: int = 8
    seed: int = 0


class Job(Protocol):
    """What makes one artifact."""

    @property
    def artifact(self) -> str: ...

    @property
    def unit(self) -> str:
        """What a row is, for the progress display."""
        ...

    def settings(self, options: Options) -> Mapping[str, Any]:
        """The choices that change what the artifact is, beyond rounding."""
        ...

    def chunk(self, workspace: Workspace, rows: range, options: Options) -> Chunk:
        """The arrays of some consecutive examples; a function of nothing else."""
        ...

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> None:
        """Write the artifact's files from all chunks, in order."""
        ...


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

"""What a job is: it says what it makes, chunk by chunk, how chunks are joined, and what can be chosen.

Row i of every per-example array is training example i. A job is a frozen dataclass; those of its fields
that are made by `option` are flags of its command.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field, fields, replace
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from numpy.lib import format as npy
from torch import Tensor

from attribution.plugins import plugins
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.executors.base import Maker
from attribution.workspace.vector_index import write_index
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.work import Work

Kind = ArtifactKind[Any]
J = TypeVar("J", bound="Job")


class OnePass(Maker, Protocol):
    """Several jobs that read the same draws, of which each is differentiated once."""

    def apart(self, chunk: Chunk) -> Sequence[Chunk]:
        """Return each job's own chunk, in the order of the jobs: to the last bit what it makes alone."""
        ...


@runtime_checkable
class Job(Maker, Protocol):
    """What makes one artifact."""

    @property
    def kind(self) -> Kind:
        """What it makes."""
        ...

    @property
    def description(self) -> str:
        """What its command does, as a command."""
        ...

    @property
    def unit(self) -> str:
        """What a row is, for the progress display."""
        ...

    @property
    def reads(self) -> tuple[Kind, ...]:
        """The artifacts that it reads: they are made before it."""
        ...

    @property
    def together(self) -> tuple[Kind, ...]:
        """Those of them that its own command makes as well, with the same options."""
        ...

    @property
    def on_demand(self) -> bool:
        """Whether it is made when asked for by its own name alone, and not by `all`."""
        ...

    @property
    def most_rows(self) -> int | None:
        """How many rows a chunk may have at most, where each takes long; None for as many as are asked."""
        ...

    @property
    def draws_read(self) -> Hashable:
        """Which draws' gradients it reads: jobs of which that is equal may be one pass. None: its own."""
        ...

    @property
    def adds_up(self) -> bool:
        """Whether it is a sum over chunks, which need not all be kept until its end."""
        ...

    def possible(self, workspace: Workspace) -> bool:
        """Whether this workspace has what it takes, such as an encoder."""
        ...

    def variants(self, workspace: Workspace) -> tuple[Job, ...]:
        """Return the jobs that it is in this workspace: one for each checkpoint, where it is of several."""
        ...

    def count(self, workspace: Workspace) -> int:
        """Return how many rows there are."""
        ...

    def settings(self, workspace: Workspace) -> Mapping[str, Any]:
        """Return the choices that change what the artifact is, beyond rounding."""
        ...

    def work(self, workspace: Workspace) -> Work:
        """Return what one of its rows takes, as far as that can be reckoned beforehand."""
        ...

    def one_pass(self, jobs: Sequence[Job]) -> OnePass:
        """Return what makes several jobs at once, of which this is the first; asked where `draws_read`."""
        ...

    def added(self, total: Chunk, chunk: Chunk) -> Chunk:
        """Return the sum of all chunks up to one, given that of those before; asked where `adds_up`."""
        ...

    def assemble(self, chunks: Iterator[Chunk], folder: Path, rows: int) -> Mapping[str, Any] | None:
        """Write the artifact's files from all chunks, in order; return what else the manifest records.

        Of a job that adds up there is but one, the sum of all.
        """
        ...

    def doubt(self, measured: Mapping[str, Any]) -> str | None:
        """Return what a person should know of what was recorded, if anything."""
        ...


class PerExample:
    """What most jobs are alike in: a row is a training image, and nothing is needed but the model."""

    unit = "images"
    reads: tuple[Kind, ...] = ()
    together: tuple[Kind, ...] = ()
    most_rows: int | None = None
    on_demand = False
    adds_up = False

    @property
    def draws_read(self) -> Hashable:
        return None

    def possible(self, workspace: Workspace) -> bool:
        return True

    def variants(self, workspace: Workspace) -> tuple[Job, ...]:
        return (self,)  # type: ignore[return-value]  # a job extends this

    def count(self, workspace: Workspace) -> int:
        return len(workspace.training_set)

    def settings(self, workspace: Workspace) -> Mapping[str, Any]:
        return {}

    def work(self, workspace: Workspace) -> Work:
        return Work()

    def one_pass(self, jobs: Sequence[Job]) -> OnePass:
        raise NotImplementedError("it reads no draws that others read")

    def added(self, total: Chunk, chunk: Chunk) -> Chunk:
        raise NotImplementedError("its chunks are not added up")

    def doubt(self, measured: Mapping[str, Any]) -> str | None:
        return None


def option(default: int | None, words: str, otherwise: str = "") -> Any:
    """Return a field of a job that is a flag of its command: a number that is at least 1.

    Args:
        default: None where it depends on the workspace; `otherwise` says how.
    """
    shown = f"{words} (default {otherwise or default})"
    return field(default=default, metadata={"words": shown})


def options_of(job: Job) -> dict[str, tuple[int | None, str]]:
    """Return (default, words) of every option of a job, by name."""
    found = (each for each in fields(job) if "words" in each.metadata)  # type: ignore[arg-type]
    return {each.name: (each.default, each.metadata["words"]) for each in found}  # type: ignore[misc]


def with_options(job: J, given: Mapping[str, int | None]) -> J:
    """Return a job with those options replaced that it has."""
    known = options_of(job)
    chosen = {name: value for name, value in given.items() if name in known}
    return replace(job, **chosen)  # type: ignore[type-var]


@cache
def all_jobs() -> tuple[Job, ...]:
    """Return every job, each after those whose artifacts it reads."""
    found: dict[Kind, Job] = {job.kind: job for job in plugins("precompute.jobs", "JOBS")}
    order = TopologicalSorter({kind: [k for k in job.reads if k in found] for kind, job in found.items()})
    return tuple(found[kind] for kind in order.static_order())


def jobs_in(workspace: Workspace, jobs: Iterable[Job]) -> tuple[Job, ...]:
    """Return those of some jobs that are possible in a workspace, in all their variants."""
    return tuple(each for job in jobs if job.possible(workspace) for each in job.variants(workspace))


def passes(jobs: Iterable[Job]) -> list[tuple[Job, ...]]:
    """Return jobs in the order in which they run, those beside each other that are one pass.

    A job joins an earlier one that reads the same draws, unless that runs before what it reads is made.
    """
    groups: list[list[Job]] = []
    for job in jobs:
        first = 1 + max((k for k, group in enumerate(groups) if _makes(group, job.reads)), default=-1)
        fitting = [group for group in groups[first:] if _is_one_pass(group[0], job)]
        if fitting:
            fitting[0].append(job)
        else:
            groups.append([job])
    return list(map(tuple, groups))


def _is_one_pass(one: Job, other: Job) -> bool:
    return one.draws_read is not None and one.draws_read == other.draws_read


def _makes(group: Iterable[Job], kinds: Iterable[Kind]) -> bool:
    return not {job.kind for job in group}.isdisjoint(kinds)


def job_of(kind: Kind) -> Job:
    """Return the job that makes a kind of artifact."""
    return next(job for job in all_jobs() if job.kind == kind)


def jobs_of(command: str) -> tuple[Job, ...]:
    """Return the jobs of a command of `python -m precompute`, in the order in which they run."""
    if command == "all":
        return tuple(job for job in all_jobs() if not job.on_demand)
    own = [job for job in all_jobs() if job.kind.command == command]
    wanted = {kind for job in own for kind in (job.kind, *job.together)}
    return tuple(job for job in all_jobs() if job.kind in wanted)


def directed(vectors: Float[Tensor, "n d"]) -> Chunk:
    """Return vectors as directions and lengths: directions of like length are what few bits can hold."""
    lengths = vectors.norm(dim=1)
    directions = vectors / lengths.clamp_min(torch.finfo(lengths.dtype).tiny)[:, None]
    return {"directions": directions.numpy(), "lengths": lengths.numpy()}


def write_directed(parts: Sequence[Chunk], folder: Path, index: str, bits: int) -> None:
    """Write the directions of all chunks as an index of that name, and their lengths."""
    np.save(folder / "lengths.npy", np.concatenate([part["lengths"] for part in parts]))
    write_index((part["directions"] for part in parts), folder / index, bits)


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


def concatenated(chunks: Sequence[Chunk]) -> dict[str, np.ndarray]:
    """Return the arrays of all chunks, joined row by row."""
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}

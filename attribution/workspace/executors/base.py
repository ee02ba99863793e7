"""What an executor is: who computes what is made of a workspace chunk by chunk, here or elsewhere.

A chunk depends on the workspace, its maker and its rows alone, so it doesn't matter who makes it, how often
it is begun, or which comes first. An executor returns chunks; one process keeps them: a job's
(`precompute.running`), or an answer's parts (`attribution.unlearning.parts`).
"""

from __future__ import annotations

import importlib.metadata
import pickle
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch

from attribution.errors import SettingsError
from attribution.plugins import named, plugins
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk

LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "pillow")
HERE = "local"  # the executor that is this very process
FAISS = ("faiss-cpu", "faiss-gpu")  # one of them: both are the module `faiss`


@cache
def library_versions() -> dict[str, str]:
    """What an artifact was made with."""
    there = {each.metadata["Name"] for each in importlib.metadata.distributions()}
    names = (*LIBRARIES, *(name for name in FAISS if name in there))
    return {name: importlib.metadata.version(name) for name in names}


@runtime_checkable
class Maker(Protocol):
    """What makes chunks: a job, or what measures training images. It can be told another process."""

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        """Return the arrays of some consecutive rows; a function of nothing else."""
        ...


@dataclass(frozen=True)
class Task:
    """One chunk to be made: its number, and its rows."""

    number: int
    rows: range


@dataclass(frozen=True)
class Machine:
    """What decides how numbers are rounded, beside the batch size; chunks of one artifact have it alike.

    Attributes:
        processor: the instructions that the CPU is used with, or the GPU's name.
        threads: among which torch divides a sum.
        versions: of the libraries.
    """

    processor: str
    threads: int
    versions: tuple[tuple[str, str], ...]

    def difference(self, other: Machine) -> str | None:
        """Return what another one has otherwise, both values named; None if they are alike."""
        for each in fields(self):
            ours, theirs = getattr(self, each.name), getattr(other, each.name)
            if ours != theirs:
                return f"{each.name} {_told(theirs, ours)}, not {_told(ours, theirs)}"
        return None


def _told(value: object, other: object) -> str:
    if not isinstance(value, tuple) or not isinstance(other, tuple):
        return str(value)
    return ", ".join(f"{name} {version}" for name, version in value if (name, version) not in other)


def machine_here(device: str) -> Machine:
    """Return this process's."""
    name = (
        torch.backends.cpu.get_cpu_capability() if device == "cpu" else torch.cuda.get_device_name(device)
    )
    # FAISS makes no chunk: it joins them, in the process that keeps them. So nodes may have the GPU's.
    versions = ((name, version) for name, version in library_versions().items() if name not in FAISS)
    return Machine(name, torch.get_num_threads(), tuple(versions))


@dataclass(frozen=True)
class Order:
    """What all chunks of one run share, as plain values that another process can be told.

    Attributes:
        folder: of the workspace; a worker opens it under this very path.
        passes: draws of one pass through the model that the workspace allows.
        batch_size: as `Maker.chunk` has it.
        machine: that a worker must be alike.
        serial: tells one run from the next, before which an artifact may have been made anew.
    """

    folder: Path
    device: str
    passes: int
    maker: Maker
    batch_size: int
    machine: Machine
    serial: str = field(default_factory=lambda: uuid.uuid4().hex)

    @classmethod
    def of(cls, workspace: Workspace, maker: Maker, batch_size: int) -> Order:
        """Return what workers are told of this process's workspace."""
        folder, device = workspace.folder.resolve(), workspace.device
        return cls(folder, device, workspace.batch_size, maker, batch_size, machine_here(device))

    @cached_property
    def told(self) -> bytes:
        """What another process is sent, once for all its tasks: its tensors as plain bytes."""
        return pickle.dumps(self)


# A chunk with its task; None where nothing has come for a while, so that one may stop.
Made = tuple[Task, Chunk] | None


@runtime_checkable
class Executor(Protocol):
    """Who computes chunks; between runs it keeps what took long to set up."""

    def chunks(
        self, workspace: Workspace, maker: Maker, batch_size: int, tasks: Sequence[Task]
    ) -> Generator[Made, None, None]:
        """Yield each chunk as soon as it is made, each once, in any order.

        Raises:
            WorkerError: workers are lost, again and again.
            WhenceError: whatever the maker itself cannot do.
        """
        ...

    def side_by_side(self) -> int:
        """Return how many chunks it makes at once, each as quickly as this process makes one alone."""
        ...


@dataclass(frozen=True)
class Asked:
    """What a person says of an executor; None for what is left to it. Each is a flag of the command line.

    Attributes:
        workers: that compute at the same time.
        address: of the cluster; None starts one on this machine alone.
        gpus_per_task: that each worker has; a fraction shares one.
    """

    workers: int | None = None
    address: str | None = None
    gpus_per_task: float | None = None

    @property
    def given(self) -> list[str]:
        """Return the names of those that were said."""
        return [each.name for each in fields(self) if getattr(self, each.name) is not None]


@runtime_checkable
class ExecutorKind(Protocol):
    """One way to compute chunks, found by being in this room.

    Attributes:
        name: as `--executor` takes it.
        takes: the fields of `Asked` that mean something to it.
    """

    name: str
    takes: tuple[str, ...]

    def opened(self, asked: Asked, device: str) -> AbstractContextManager[Executor]:
        """Return the executor, which is let go of at the end of the context."""
        ...


@cache
def executor_kinds() -> Mapping[str, ExecutorKind]:
    """Return every way, by name."""
    return {kind.name: kind for kind in plugins("attribution.workspace.executors", "EXECUTORS")}


def opened_executor(name: str, asked: Asked, device: str) -> AbstractContextManager[Executor]:
    """Return the executor of a name.

    Raises:
        UnknownNameError: there is none.
        SettingsError: something is said that it doesn't take; names what does.
    """
    kind = named("executor", executor_kinds(), name)
    for word in asked.given:
        if word not in kind.takes:
            others = " or ".join(each.name for each in executor_kinds().values() if word in each.takes)
            flag = word.replace("_", "-")
            raise SettingsError(f"--{flag} is not for the executor {name}: leave it out, or use {others}")
    return kind.opened(asked, device)


def opened_helpers(
    name: str, asked: Asked, device: str, measures_all: bool = True
) -> AbstractContextManager[Executor | None]:
    """Return who else measures training images: the executor of a name, or None if it is this process.

    Args:
        measures_all: whether every candidate is measured: of a race each round waits for the one before.

    Raises:
        UnknownNameError, SettingsError: as `opened_executor` does; or there is nothing to share out.
    """
    opened = opened_executor(name, asked, device)
    if name != HERE and not measures_all:
        raise SettingsError(
            f"--executor {name} shares out what is measured of every candidate: it goes with --effort "
            "exhaustive, or with --candidates"
        )
    return nullcontext() if name == HERE else opened

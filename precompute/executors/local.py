"""Run one job: only the chunks that are missing, then publish. Stoppable between any two chunks."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Generator
from dataclasses import dataclass

from attribution.models.engine_setting import engine_asked_for
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Plan, Writer
from precompute.jobs.base import Job

LIBRARIES = ("torch", "diffusers", "transformers", "numpy", "pillow", "faiss-cpu")


@dataclass(frozen=True)
class Step:
    """What a job has done so far.

    Attributes:
        done: rows done, of `total`, counting those of earlier sittings.
        fresh: rows done in this sitting, for the rate.
        note: a sentence for the person, once.
    """

    artifact: str
    unit: str
    done: int
    total: int
    fresh: int
    note: str | None = None


@dataclass(frozen=True)
class Execution:
    """How a job is run; it changes what comes of it by rounding at most.

    Attributes:
        chunk: rows (training images) a chunk: the unit that survives an interruption.
        batch_size: of forward and backward passes inside a chunk.
    """

    chunk: int = 64
    batch_size: int = 256


def plan(workspace: Workspace, job: Job, how: Execution) -> Plan:
    """What a job will make: all that its bytes depend on."""
    made_with = {
        "chunk": how.chunk,
        "batch_size": how.batch_size,
        "device": workspace.device,
        "engine": engine_asked_for(workspace.device),
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
    count = -(-job.count(workspace) // how.chunk)
    return Plan(job.kind.folder, workspace.expected(job.kind), job.settings(workspace), made_with, count)


def run(
    workspace: Workspace, job: Job, how: Execution, remake: bool = False
) -> Generator[Step, None, None]:
    """Make one artifact, unless it stands already; continues where an earlier sitting ended.

    Args:
        remake: make it even if it stands.

    Raises:
        ArtifactError: another process is making it.
        WhenceError: whatever the job itself cannot do.
    """
    total, name = job.count(workspace), job.kind.folder
    adding = job.added if job.adds_up else None
    with Writer(workspace.folder, plan(workspace, job, how), adding) as writer:
        if not remake and writer.up_to_date():
            yield Step(name, job.unit, total, total, 0, "is there already")
            return
        missing = writer.missing()
        ranges = [range(c * how.chunk, min((c + 1) * how.chunk, total)) for c in missing]
        done, fresh = total - sum(map(len, ranges)), 0
        note = writer.notice or (f"continues after {done:,} of {total:,}" if done else None)
        yield Step(name, job.unit, done, total, fresh, note)
        for chunk, rows in zip(missing, ranges, strict=True):
            writer.add(chunk, job.chunk(workspace, rows, how.batch_size))
            done, fresh = done + len(rows), fresh + len(rows)
            yield Step(name, job.unit, done, total, fresh)
        measured = writer.publish(lambda chunks, folder: job.assemble(chunks, folder, total))
        if doubt := job.doubt(measured):
            yield Step(name, job.unit, total, total, fresh, doubt)
    workspace.forget()

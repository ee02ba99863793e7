"""Run one job: only the chunks that are missing, then publish. Stoppable between any two chunks."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass

from attribution.models.engine_setting import engine_asked_for
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Plan, Writer
from precompute.executors.base import Executor, Task, library_versions
from precompute.executors.local import Local
from precompute.jobs.base import Job


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
    chunk = rows_of_chunk(job, how)
    made_with = {
        "chunk": chunk,
        "batch_size": how.batch_size,
        "device": workspace.device,
        "engine": engine_asked_for(workspace.device),
        "versions": library_versions(),
    }
    count = -(-job.count(workspace) // chunk)
    return Plan(job.kind.folder, workspace.expected(job.kind), job.settings(workspace), made_with, count)


def rows_of_chunk(job: Job, how: Execution) -> int:
    """How many rows the job's chunks have, but for the last one."""
    return how.chunk if job.most_rows is None else min(how.chunk, job.most_rows)


def run(
    workspace: Workspace, job: Job, how: Execution, remake: bool = False, executor: Executor | None = None
) -> Generator[Step, None, None]:
    """Make one artifact, unless it stands already; continues where an earlier sitting ended.

    Args:
        remake: make it even if it stands.
        executor: who computes its chunks; None for this process.

    Raises:
        ArtifactError: another process is making it.
        WorkerError: those who compute are lost, again and again.
        WhenceError: whatever the job itself cannot do.
    """
    total, name, size = job.count(workspace), job.kind.folder, rows_of_chunk(job, how)
    adding = job.added if job.adds_up else None
    with Writer(workspace.folder, plan(workspace, job, how), adding) as writer:
        if not remake and writer.up_to_date():
            yield Step(name, job.unit, total, total, 0, "is there already")
            return
        tasks = [Task(c, range(c * size, min((c + 1) * size, total))) for c in writer.missing()]
        done, fresh = total - sum(len(task.rows) for task in tasks), 0
        note = writer.notice or (f"continues after {done:,} of {total:,}" if done else None)
        yield Step(name, job.unit, done, total, fresh, note)
        with closing((executor or Local()).chunks(workspace, job, how.batch_size, tasks)) as made:
            for task, chunk in made:
                writer.add(task.number, chunk)
                done, fresh = done + len(task.rows), fresh + len(task.rows)
                yield Step(name, job.unit, done, total, fresh)
        measured = writer.publish(lambda chunks, folder: job.assemble(chunks, folder, total))
        if doubt := job.doubt(measured):
            yield Step(name, job.unit, total, total, fresh, doubt)
    workspace.forget()

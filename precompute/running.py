"""Run one job, or several that are one pass: only the chunks that are missing, then publish.

Stoppable between any two chunks.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from attribution.models.engine_setting import engine_asked_for
from attribution.workspace.executors.base import Executor, Task, library_versions
from attribution.workspace.executors.local import Local
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk, Plan, Writer
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


CHUNK = 64  # rows, unless asked
SUMS = 100  # that are written of an artifact that is one, unless asked: a kill costs a hundredth of it


@dataclass(frozen=True)
class Execution:
    """How a job is run; it changes what comes of it by rounding at most.

    Attributes:
        chunk: rows (training images) a chunk: the unit that survives an interruption. None for `CHUNK`, and
            for more where each chunk's end writes a sum: there are then at most `SUMS` of them.
        batch_size: of forward and backward passes inside a chunk.
    """

    chunk: int | None = None
    batch_size: int = 256


def plan(workspace: Workspace, job: Job, how: Execution) -> Plan:
    """What a job will make: all that its bytes depend on."""
    chunk = rows_of_chunk(workspace, job, how)
    made_with = {
        "chunk": chunk,
        "batch_size": how.batch_size,
        "device": workspace.device,
        "engine": engine_asked_for(workspace.device),
        "versions": library_versions(),
    }
    count = -(-job.count(workspace) // chunk)
    return Plan(job.kind.folder, workspace.expected(job.kind), job.settings(workspace), made_with, count)


def rows_of_chunk(workspace: Workspace, job: Job, how: Execution) -> int:
    """How many rows the job's chunks have, but for the last one."""
    chunk = how.chunk or CHUNK
    if how.chunk is None and job.adds_up:
        chunk = max(CHUNK, -(-job.count(workspace) // SUMS))
    return chunk if job.most_rows is None else min(chunk, job.most_rows)


@dataclass(frozen=True)
class _Unfinished:
    """An artifact that is being made.

    Attributes:
        missing: its chunks that are to be made in this sitting.
        rows: of all its chunks.
    """

    job: Job
    writer: Writer
    missing: frozenset[int]
    rows: int

    @property
    def name(self) -> str:
        return self.job.kind.folder

    def assembled(self, chunks: Iterator[Chunk], folder: Path) -> Mapping[str, Any] | None:
        return self.job.assemble(chunks, folder, self.rows)


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
    return run_as_one(workspace, (job,), how, remake, executor)


def run_as_one(
    workspace: Workspace,
    jobs: Sequence[Job],
    how: Execution,
    remake: bool = False,
    executor: Executor | None = None,
) -> Generator[Step, None, None]:
    """Make the artifacts of jobs that are one pass, as `run` makes one; each is published by itself."""
    total, unfinished = jobs[0].count(workspace), list[_Unfinished]()
    with ExitStack() as held:
        for job in jobs:
            adding = job.added if job.adds_up else None
            writer = held.enter_context(Writer(workspace.folder, plan(workspace, job, how), adding))
            if not remake and writer.up_to_date():
                yield Step(job.kind.folder, job.unit, total, total, 0, "is there already")
            else:
                unfinished.append(_Unfinished(job, writer, frozenset(writer.missing()), total))
        if not unfinished:
            return
        fresh = yield from _chunks_made(workspace, unfinished, how, executor or Local())
        for each in unfinished:
            measured = each.writer.publish(each.assembled)
            if doubt := each.job.doubt(measured):
                yield Step(each.name, each.job.unit, total, total, fresh, doubt)
    workspace.forget()


def _chunks_made(
    workspace: Workspace, unfinished: Sequence[_Unfinished], how: Execution, executor: Executor
) -> Generator[Step, None, int]:
    """Make and keep what is missing of any; returns how many rows that were.

    A chunk that an earlier sitting has kept for some is made for the others alone.
    """
    first, total = unfinished[0].job, unfinished[0].rows
    unit, size = first.unit, rows_of_chunk(workspace, first, how)
    tasks = _tasks(frozenset().union(*(each.missing for each in unfinished)), size, total)
    name, done, fresh = ", ".join(each.name for each in unfinished), total - _rows(tasks), 0
    notes = dict.fromkeys(note for each in unfinished if (note := _note(each, size)))
    yield Step(name, unit, done, total, fresh, "; ".join(notes) or None)
    for makers, some in groupby(tasks, lambda task: [e for e in unfinished if task.number in e.missing]):
        with closing(_kept(workspace, makers, list(some), how, executor)) as kept:
            for rows in kept:
                done, fresh = done + rows, fresh + rows
                yield Step(name, unit, done, total, fresh)
    return fresh


def _kept(
    workspace: Workspace,
    makers: Sequence[_Unfinished],
    tasks: Sequence[Task],
    how: Execution,
    executor: Executor,
) -> Generator[int, None, None]:
    """Make some chunks for the same artifacts, and yield the rows of each when all of them have kept it."""
    jobs = [each.job for each in makers]
    together = jobs[0].one_pass(jobs) if len(jobs) > 1 else None
    with closing(executor.chunks(workspace, together or jobs[0], how.batch_size, tasks)) as made:
        for found in made:
            if found is None:
                continue
            task, chunk = found
            parts = together.apart(chunk) if together else [chunk]
            for each, part in zip(makers, parts, strict=True):
                each.writer.add(task.number, part)
            yield len(task.rows)


def _tasks(chunks: Iterable[int], size: int, rows: int) -> list[Task]:
    """Chunks with their rows, in order."""
    return [Task(chunk, range(chunk * size, min((chunk + 1) * size, rows))) for chunk in sorted(chunks)]


def _rows(tasks: Iterable[Task]) -> int:
    return sum(len(task.rows) for task in tasks)


def _note(each: _Unfinished, size: int) -> str | None:
    """What there is to say of how it begins."""
    done = each.rows - _rows(_tasks(each.missing, size, each.rows))
    return each.writer.notice or (f"continues after {done:,} of {each.rows:,}" if done else None)

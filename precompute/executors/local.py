"""Run one job: only the chunks that are missing, then publish. Stoppable between any two chunks."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Generator
from dataclasses import dataclass

from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Plan, Writer
from precompute.jobs import Job, Options
from precompute.jobs.controls import JOB as CONTROLS
from precompute.jobs.ekfac import JOB as EKFAC
from precompute.jobs.embeddings import embedding_jobs
from precompute.jobs.fisher import JOB as FISHER
from precompute.jobs.gradients import JOB as GRADIENTS
from precompute.jobs.kfac import JOB as KFAC
from precompute.jobs.latents import JOB as LATENTS
from precompute.jobs.losses import JOB as LOSSES

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


def jobs(workspace: Workspace, verb: str) -> list[Job]:
    """The jobs behind a verb of the command line, in the order in which they must run."""
    if verb == "all":
        return [LATENTS, LOSSES, FISHER, KFAC, EKFAC, GRADIENTS, CONTROLS, *embedding_jobs(workspace)]
    if verb == "embeddings":
        return embedding_jobs(workspace)
    single: dict[str, list[Job]] = {
        "latents": [LATENTS],
        "losses": [LOSSES],
        "fisher": [FISHER],
        "kfac": [KFAC],
        "ekfac": [KFAC, EKFAC],
        "gradients": [KFAC, EKFAC, GRADIENTS],
        "controls": [CONTROLS],
    }
    return single[verb]


def plan(workspace: Workspace, job: Job, options: Options) -> Plan:
    """What a job will make: all that its bytes depend on."""
    made_with = {
        "chunk": options.chunk,
        "batch_size": options.batch_size,
        "device": workspace.device,
        "versions": {name: importlib.metadata.version(name) for name in LIBRARIES},
    }
    count = -(-job.count(workspace, options) // options.chunk)
    return Plan(
        job.artifact, workspace.expected(job.artifact), job.settings(workspace, options), made_with, count
    )


def run(
    workspace: Workspace, job: Job, options: Options, remake: bool = False
) -> Generator[Step, None, None]:
    """Make one artifact, unless it stands already; continues where an earlier sitting ended.

    Args:
        remake: make it even if it stands.

    Raises:
        ArtifactError: another process is making it.
        WhenceError: whatever the job itself cannot do.
    """
    total = job.count(workspace, options)
    with Writer(workspace.folder, plan(workspace, job, options)) as writer:
        if not remake and writer.up_to_date():
            yield Step(job.artifact, job.unit, total, total, 0, "is there already")
            return
        missing = writer.missing()
        ranges = [range(c * options.chunk, min((c + 1) * options.chunk, total)) for c in missing]
        done, fresh = total - sum(map(len, ranges)), 0
        note = writer.notice or (f"continues after {done:,} of {total:,}" if done else None)
        yield Step(job.artifact, job.unit, done, total, fresh, note)
        for chunk, rows in zip(missing, ranges, strict=True):
            writer.add(chunk, job.chunk(workspace, rows, options))
            done, fresh = done + len(rows), fresh + len(rows)
            yield Step(job.artifact, job.unit, done, total, fresh)
        writer.publish(lambda chunks, folder: job.assemble(chunks, folder, total))
    workspace.forget(job.artifact)

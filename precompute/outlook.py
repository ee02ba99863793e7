"""What `precompute all` says: before its work how long it may take, after it how to open the page."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from attribution.errors import ArtifactError
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import PLAN, chosen_alike
from cli.commands import program_name
from precompute.jobs.base import Job, passes
from precompute.running import Execution, plan, rows_of_chunk
from precompute.status import chunks_done
from precompute.tables import duration
from precompute.work import measured_pace


def rows_left(workspace: Workspace, job: Job, how: Execution) -> int:
    """How many rows a job has still to do; nothing is hashed for it, so a damaged file is not found."""
    rows = job.count(workspace)
    try:
        planned = plan(workspace, job, how)
    except ArtifactError:
        return rows  # what it reads is to be made first, and so all of it
    try:
        if chosen_alike(workspace.artifact(job.kind), planned):
            return 0
    except ArtifactError:
        pass  # it is not there, or is of something else
    part = workspace.folder / f"{planned.name}.part"
    try:
        begun = json.loads((part / PLAN).read_text(encoding="utf-8")) == planned.to_json()
    except (OSError, ValueError):
        begun = False
    return max(rows - chunks_done(part) * rows_of_chunk(workspace, job, how), 0) if begun else rows


def outlook(workspace: Workspace, jobs: Sequence[Job], how: Execution) -> str:
    """How long the jobs will take on this machine, from a few passes timed now; "" if all is there."""
    left = [(job, rows) for job in jobs if (rows := rows_left(workspace, job, how))]
    if not left:
        return ""
    work = {job: job.work(workspace) for job, _ in left}
    encoders = sorted({each.encoder for each in work.values()} - {""})
    opened = {name: workspace.encoder(name) for name in encoders}
    pace = measured_pace(workspace.model, opened, workspace.training_set.captions[0])
    of_jobs = {job: rows * pace.seconds(work[job]) for job, rows in left}
    seconds = sum(max(map(of_jobs.__getitem__, one_pass)) for one_pass in passes(of_jobs))
    return (
        f"{_counted(len(left))} to make: about {duration(seconds)} in all, by one process at the pace of a "
        f"few passes timed just now on {workspace.device}. A busy machine takes longer; reading, "
        "projections and eigenbases are not counted."
    )


def opening(workspace: Path, device: str) -> str:
    """The command that opens the page on a workspace."""
    command = "python app.py" if program_name("app").startswith("python") else program_name("app")
    words = ["--workspace", str(workspace), *(["--device", device] if device != "cpu" else [])]
    return f"open the page on it: {command} {shlex.join(words)}"


def _counted(artifacts: int) -> str:
    return "1 artifact" if artifacts == 1 else f"{artifacts} artifacts"

"""What a workspace has, what it lacks, and whether its bytes are still what was published."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from attribution.analysis.evidence import evidence_of
from attribution.data.files import file_sha256
from attribution.errors import (
    ArtifactError,
    MismatchError,
    MissingArtifactError,
    ModelError,
    ResultError,
    WorkspaceError,
)
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.baseline import CAPTIONS, LATENTS
from attribution.workspace.store import mending_command
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import CHUNK, PLAN, SUM
from precompute.jobs.base import all_jobs, jobs_in

KEPT_AT_WILL = (
    LATENTS,
    CAPTIONS,
)  # a small workspace encodes pictures and captions anew rather than carry them
ON_DEMAND = tuple(job.kind for job in all_jobs() if job.on_demand)
OPTIONAL = (*KEPT_AT_WILL, *ON_DEMAND)


@dataclass(frozen=True)
class State:
    """One artifact. `state` is "ready", "missing", "left out", "stale", "damaged" or "unfinished"."""

    artifact: str
    state: str
    detail: str
    bytes: int = 0


def states(workspace: Workspace) -> Iterator[State]:
    """The state of every artifact that the workspace can have."""
    for job in jobs_in(workspace, all_jobs()):
        yield _state(workspace, job.kind)
    if workspace.has(CAPTIONS):
        yield _state(workspace, CAPTIONS)


def _state(workspace: Workspace, kind: ArtifactKind[Any]) -> State:
    name = kind.folder
    try:
        artifact = workspace.artifact(kind)
    except MissingArtifactError:
        return _unfinished(workspace, kind)
    except MismatchError as problem:
        return State(name, "stale", str(problem))
    except ArtifactError as problem:
        return State(name, "damaged", str(problem))
    size = sum(entry["bytes"] for entry in artifact.manifest["files"].values())
    made_with = artifact.manifest.get("made_with", {})
    torch = made_with.get("versions", {}).get("torch", "?")
    choices = [f"{key} {value}" for key, value in artifact.manifest.get("settings", {}).items()]
    measured = artifact.manifest.get("measured", {}).get("effective_draws", {})
    if measured:
        choices.append(f"rests on {min(measured.values()):,.0f} draws or more in each layer")
    return State(name, "ready", ", ".join([*choices, f"{made_with.get('device')}, torch {torch}"]), size)


def _unfinished(workspace: Workspace, kind: ArtifactKind[Any]) -> State:
    name = kind.folder
    part = workspace.folder / f"{name}.part"
    command = mending_command(kind.command, workspace.folder)
    try:
        total = json.loads((part / PLAN).read_text(encoding="utf-8"))["chunks"]
    except (OSError, ValueError, KeyError, TypeError):
        if kind in KEPT_AT_WILL:
            return State(name, "left out", f"made when asked for; keep them with `{command}`")
        if kind in ON_DEMAND:
            return State(name, "left out", f"not made by `all`; make it with `{command}`")
        return State(name, "missing", f"make it with `{command}`")
    return State(name, "unfinished", f"{chunks_done(part)} of {total} chunks; continue with `{command}`")


def chunks_done(part: Path) -> int:
    """Of an artifact that is being made in this folder."""
    sums = [int(path.name.split("-")[1]) + 1 for path in part.glob(f"{SUM}-*")]
    return max(sums, default=0) + sum(1 for _ in part.glob(f"{CHUNK}-*"))


def problems(workspace: Workspace, progress: Callable[[int, int], None]) -> Iterator[str]:
    """Everything that is not as it was when the workspace was made: hashes all there is to hash."""
    yield from changed_pictures(workspace, progress)
    yield from changed_sources(workspace)
    try:
        evidence_of(workspace)
    except (ResultError, WorkspaceError) as problem:
        yield str(problem)
    yield from damaged_artifacts(workspace)


def changed_sources(workspace: Workspace) -> Iterator[str]:
    """What is wrong with the model, its checkpoints and the encoders: loading compares fingerprints."""
    config, found = workspace.config, dict[str, None]()  # once: no checkpoint is read without the model
    loads: list[Callable[[], object]] = [lambda: workspace.model]
    loads += [partial(workspace.checkpoint, name) for name in config.checkpoints]
    loads += [partial(workspace.encoder, name) for name in config.encoders]
    for load in loads:
        try:
            load()
        except (ModelError, MismatchError) as problem:
            found[str(problem)] = None
    yield from found


def damaged_artifacts(workspace: Workspace, absent_too: bool = True) -> Iterator[str]:
    """What is wrong with artifacts, every file hashed.

    Args:
        absent_too: an artifact that is not there is wrong as well.
    """
    for kind in (CAPTIONS, *(job.kind for job in jobs_in(workspace, all_jobs()))):
        if (kind in OPTIONAL or not absent_too) and not workspace.has(kind):
            continue
        try:
            for _ in workspace.store.verify(kind.folder, workspace.expected(kind), kind.command):
                pass
        except ArtifactError as problem:
            yield str(problem)


def changed_pictures(workspace: Workspace, progress: Callable[[int, int], None]) -> Iterator[str]:
    """One sentence if pictures are not those that were scanned, every file hashed."""
    training_set = workspace.training_set
    changed, files = [], training_set.files
    for done, (name, sha256) in enumerate(files.items(), 1):
        try:
            found = file_sha256(training_set.path_of(name))
        except OSError:
            found = "gone"
        if found != sha256:
            changed.append(name)
        progress(done, len(files))
    if changed:
        what = "shard" if training_set.shards else "picture"
        count = f"1 {what} has" if len(changed) == 1 else f"{len(changed):,} {what}s have"
        yield (
            f"{count} changed in {training_set.where} since the scan ({', '.join(changed[:5])}): put back "
            f"what was there, or run `python -m precompute init --workspace {workspace.folder}`"
        )

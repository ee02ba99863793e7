"""Laws of kinds of artifacts: what is bound to what, and who knows them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from attribution.errors import MissingArtifactError
from attribution.gradients.stored import GRADIENTS
from attribution.methods.base import methods
from attribution.workspace.artifacts import ArtifactKind
from attribution.workspace.baseline import LOSSES
from attribution.workspace.store import Artifact
from attribution.workspace.workspace import Workspace
from precompute.jobs.base import all_jobs
from tests.conftest import Foreign
from tests.worlds import ROOT


def test_an_artifact_of_a_checkpoint_or_of_options_is_one_of_its_own() -> None:
    """Law: An artifact of one checkpoint, or made with other options, is an artifact of its own."""
    early = GRADIENTS.of("early", dimensions=512, seed=1)
    assert early.folder == "gradients@early,dimensions=512,seed=1"
    assert early == GRADIENTS.of("early", seed=1, dimensions=512) != GRADIENTS
    assert len({GRADIENTS, GRADIENTS.of("early"), GRADIENTS.of(dimensions=512), early}) == 4
    assert early.command == GRADIENTS.command == "gradients"


def test_an_artifact_of_a_checkpoint_is_bound_to_that_checkpoint(foreign_copy: Foreign) -> None:
    """Law: An artifact of a checkpoint is bound to that checkpoint, and refused where it is unknown."""
    workspace = Workspace.open(foreign_copy.workspace)
    with pytest.raises(MissingArtifactError, match="has no checkpoint 'early'"):
        workspace.expected(LOSSES.of("early"))
    fingerprints = {**workspace.fingerprints, "model@early": "another"}
    knowing = Workspace(workspace.folder, replace(workspace.config, fingerprints=fingerprints))
    assert knowing.expected(LOSSES.of("early"))["model"] == "another"
    assert knowing.expected(LOSSES)["model"] == workspace.fingerprints["model"]


def test_an_artifact_is_read_once_until_one_is_made_again(foreign_copy: Foreign) -> None:
    """Law: An artifact is read once, until one has been made again."""
    reads = []

    def read(workspace: Workspace, artifact: Artifact) -> np.ndarray:
        reads.append(artifact.name)
        return artifact.array("losses.npy")

    counted = ArtifactKind("losses", LOSSES.bound_to, read)
    workspace = Workspace.open(foreign_copy.workspace)
    assert workspace.load(counted) is workspace.load(counted)
    assert reads == ["losses"]
    workspace.forget()
    workspace.load(counted)
    assert reads == ["losses", "losses"]


def test_a_workspace_knows_no_artifact_by_name() -> None:
    """Law: A workspace knows no artifact by name."""
    for file in ("workspace", "store", "writer", "config", "create", "cache", "artifacts"):
        text = (ROOT / "attribution" / "workspace" / f"{file}.py").read_text(encoding="utf-8")
        code = text.split('"""', 2)[2]  # behind the module's own words
        assert [job.kind.name for job in all_jobs() if f'"{job.kind.name}"' in code] == []


def test_whatever_a_method_needs_is_made_by_a_job_that_runs_after_those_it_reads(
    tiny_world: Workspace,
) -> None:
    """Law: Whatever a method needs is made by a job, which runs after those whose artifacts it reads."""
    made = [job.kind for job in all_jobs()]
    assert {kind for each in methods().values() for kind in each.needs(tiny_world)} <= set(made)
    for job in all_jobs():
        assert all(made.index(kind) < made.index(job.kind) for kind in job.reads)
        assert set(job.together) <= set(job.reads)

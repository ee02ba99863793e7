"""Laws of the runs that come with a workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.runs.archive import RunArchive
from app.runs.proofs import Proof
from attribution.errors import RunError
from attribution.workspace.workspace import Workspace
from tests.app.runs.test_archive import same
from tests.app.runs.test_proofs import CHECK
from tests.worlds.answers import answered_run


def test_examples_are_read_like_runs_and_never_changed(tmp_path: Path, tiny_world: Workspace) -> None:
    """Law: A run that came with the workspace can be read by its link, and neither deleted nor added to."""
    run = answered_run(tiny_world)
    shipped = RunArchive(tmp_path / "examples", tiny_world)
    key = shipped.keep(run)
    runs = RunArchive(tmp_path / "runs", tiny_world, examples=shipped.folder)
    assert same(runs.read(run.id), run)
    assert runs.summary(run.id).caption == run.caption
    assert not runs.forget(run.id, key)
    proof = Proof("A", "pixel", "top", CHECK)
    with pytest.raises(RunError, match="an example stays as it came"):
        runs.keep_proof(run.id, proof)
    assert same(runs.read(run.id), run)
    assert list(runs.folder.iterdir()) == []

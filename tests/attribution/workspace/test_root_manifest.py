"""Laws of a workspace's own manifest: nothing that is read lies outside it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from pathlib import Path

import pytest

from attribution.analysis.evidence import FILE as EVIDENCE
from attribution.analysis.evidence import evidence_of
from attribution.errors import (
    CorruptArtifactError,
    MissingArtifactError,
    TrainingSetError,
    WhenceError,
    WorkspaceError,
)
from attribution.workspace.baseline import LOSSES
from attribution.workspace.root_manifest import MANIFEST, RootManifest, artifacts_in, record
from attribution.workspace.store import Store
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from precompute.sealing import COVERED
from tests.attribution.workspace.test_store import Killed, die_at, make
from tests.damage.kinds import hash_again
from tests.worlds import EMBEDDED, TINY
from tests.worlds.folders import contents


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A copy of the tiny world's workspace, with its training set beside it."""
    for part in ("workspace", "scenes"):
        shutil.copytree(TINY / part, tmp_path / part)
    return tmp_path / "workspace"


@pytest.mark.parametrize("world", [EMBEDDED, TINY], ids=["embedded", "tiny"])
def test_the_worlds_that_are_shipped_list_all_that_they_have(world: Path) -> None:
    """Law: The manifest of a shipped workspace lists every file and every artifact in it."""
    folder = world / "workspace"
    known = RootManifest.load(folder)
    assert known is not None
    assert (
        set(known.artifacts)
        == set(artifacts_in(folder))
        == {p.name for p in folder.iterdir() if p.is_dir()}
    )
    assert set(known.files) == {p.name for p in folder.iterdir() if p.is_file()} - {MANIFEST}
    for name in COVERED:
        known.check_file(folder / name, (folder / name).read_bytes() if (folder / name).exists() else None)


@pytest.mark.parametrize("name", ["workspace.json", "training_set.json"])
def test_a_byte_that_changes_nothing_but_itself_is_refused(tiny: Path, name: str) -> None:
    """Law: A file in a workspace that is not the one recorded is refused, and the error says what to do."""
    (tiny / name).write_bytes((tiny / name).read_bytes() + b"\n")
    with pytest.raises(WorkspaceError, match=r"has changed: its sha256 is .*precompute seal --workspace"):
        Workspace.open(tiny)
    (tiny / name).unlink()
    with pytest.raises(WorkspaceError, match="is gone, though the workspace's manifest lists it"):
        Workspace.open(tiny)


def test_evidence_that_nobody_recorded_is_refused(tiny: Path) -> None:
    shutil.copy(EMBEDDED / "workspace" / EVIDENCE, tiny)
    workspace = Workspace.open(tiny)
    with pytest.raises(WorkspaceError, match="is not listed in the workspace's manifest"):
        evidence_of(workspace)
    record(tiny, [EVIDENCE])
    assert evidence_of(workspace) is None, "it is of another world's model"


def test_an_artifact_whose_checksums_were_made_anew_is_refused(tiny: Path) -> None:
    """Law: An artifact that was changed together with its own checksums is refused."""
    losses = tiny / "losses" / "losses.npy"
    losses.write_bytes(losses.read_bytes()[:-4] + b"\0\0\0\x3f")
    hash_again(tiny / "losses")
    with pytest.raises(CorruptArtifactError, match="the workspace's manifest says") as refused:
        Workspace.open(tiny).load(LOSSES)
    assert "python -m precompute losses" in str(refused.value)


def test_an_artifact_that_has_got_lost_is_missed(tiny: Path) -> None:
    """Law: An artifact that is listed and not there is missed, not gone without."""
    shutil.rmtree(tiny / "controls")
    workspace = Workspace.open(tiny)
    assert workspace.store.has("controls")
    with pytest.raises(MissingArtifactError, match="is gone, though the workspace's manifest lists it"):
        workspace.store.open("controls", {})


def test_a_workspace_of_before_is_taken_up_by_one_command(
    tiny: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny / MANIFEST).unlink()
    before = contents(tiny)
    with pytest.raises(WorkspaceError, match=r"has no manifest: .*python -m precompute seal --workspace"):
        Workspace.open(tiny)
    assert main(["seal", "--workspace", str(tiny)]) == 0
    assert contents(tiny) == {**before, MANIFEST: (TINY / "workspace" / MANIFEST).read_bytes()}
    assert "is whole" in capsys.readouterr().out


def test_a_workspace_that_is_not_finished_is_taken_up_too(tiny: Path) -> None:
    (tiny / MANIFEST).unlink()
    shutil.rmtree(tiny / "controls")
    assert main(["seal", "--workspace", str(tiny)]) == 0
    workspace = Workspace.open(tiny)
    assert not workspace.store.has("controls")
    assert len(workspace.load(LOSSES)) == len(workspace.training_set)


def test_what_is_damaged_is_not_taken_as_it_is(tiny: Path, capsys: pytest.CaptureFixture[str]) -> None:
    losses = tiny / "losses" / "losses.npy"
    losses.write_bytes(losses.read_bytes()[:-4] + b"\0\0\0\x3f")
    before = contents(tiny)
    assert main(["seal", "--workspace", str(tiny)]) == 2
    assert contents(tiny) == before
    assert "losses.npy has sha256" in capsys.readouterr().err


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'{"format": 2}', b'{"format": 1, "files": {"workspace.json": "0"}}', b"\xff"],
)
def test_a_damaged_root_manifest_is_one_line(tiny: Path, data: bytes) -> None:
    (tiny / MANIFEST).write_bytes(data)
    with pytest.raises(WorkspaceError, match="is damaged") as refused:
        Workspace.open(tiny)
    assert "\n" not in str(refused.value)


def test_a_picture_that_was_swapped_is_refused_when_it_is_looked_at(tiny: Path) -> None:
    """Law: A training picture whose bytes are not those that were scanned is refused, never shown."""
    scenes = sorted((tiny.parent / "scenes").glob("*.png"))
    shutil.copy(scenes[1], scenes[0])
    workspace = Workspace.open(tiny)
    assert workspace.training_set.image(1)
    with pytest.raises(TrainingSetError, match="has changed since it was scanned"):
        workspace.training_set.image(0)


def test_an_answer_names_the_workspace_that_it_is_of(tiny: Path) -> None:
    before = Workspace.open(tiny).provenance["workspace"]
    manifest = json.loads((tiny / "losses" / MANIFEST).read_text())
    (tiny / "losses" / MANIFEST).write_text(json.dumps(manifest))
    record(tiny, artifacts=["losses"])
    assert Workspace.open(tiny).provenance["workspace"] != before


def test_a_crash_while_publishing_leaves_what_a_new_run_completes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: A job that crashes before its artifact is listed is completed by a new run."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    reference = made_in(tmp_path / "reference")
    for step in range(1, 10_000):
        root = tmp_path / f"{step}"
        root.mkdir()
        record(root)
        with monkeypatch.context() as patch:
            left = die_at(patch, step)
            with contextlib.suppress(Killed):
                make(root)
            died = left[0] <= 0
        if Store(root).has("losses"):
            with contextlib.suppress(WhenceError):  # refused, or whole
                assert Store(root).open("losses", {}).array("x.npy").shape == (12,)
        make(root)
        assert contents(root) == reference
        shutil.rmtree(root)
        if not died:
            break
    assert step > 30


def made_in(root: Path) -> dict[str, bytes]:
    root.mkdir()
    record(root)
    make(root)
    return contents(root)

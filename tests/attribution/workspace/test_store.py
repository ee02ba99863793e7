"""Laws of artifacts: published whole or not at all, bound to what they were made from."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from attribution.errors import (
    CorruptArtifactError,
    MismatchError,
    MissingArtifactError,
)
from attribution.workspace.store import Artifact, Store
from attribution.workspace.writer import Chunk, Plan, Writer
from tests.worlds.folders import contents

PLAN = Plan("losses", {"model": "m1", "probe": "p1"}, {"draws": 2}, {"chunk": 3, "torch": "2"}, 4)


def chunk(number: int) -> Chunk:
    return {"x": np.arange(3, dtype=np.float32) + 10 * number}


def assemble(chunks: Iterator[Chunk], folder: Path) -> None:
    values = np.concatenate([part["x"] for part in chunks])
    np.save(folder / "x.npy", values)
    (folder / "y.safetensors").write_bytes(save({"y": values[:2]}))


def make(root: Path, plan: Plan = PLAN, stop_after: int | None = None) -> list[int]:
    """Make the artifact, or only its first chunks; returns which were made now."""
    with Writer(root, plan) as writer:
        missing = writer.missing()[:stop_after]
        for number in missing:
            writer.add(number, chunk(number))
        if stop_after is None:
            writer.publish(assemble)
    return missing


def opened(root: Path, **expected: str) -> Artifact:
    return Store(root).open("losses", expected or PLAN.fingerprints)


def test_what_is_published_can_be_read(tmp_path: Path) -> None:
    make(tmp_path)
    artifact = opened(tmp_path)
    assert artifact.array("x.npy").tolist() == [0, 1, 2, 10, 11, 12, 20, 21, 22, 30, 31, 32]
    assert artifact.tensors("y.safetensors")["y"].tolist() == [0, 1]
    assert artifact.files == ("x.npy", "y.safetensors")
    assert list(Store(tmp_path).verify("losses", PLAN.fingerprints)) == ["x.npy", "y.safetensors"]


def test_nothing_but_the_artifact_is_left_behind(tmp_path: Path) -> None:
    make(tmp_path)
    assert set(contents(tmp_path)) == {"losses/manifest.json", "losses/x.npy", "losses/y.safetensors"}


def test_two_runs_make_the_same_bytes(tmp_path: Path) -> None:
    """Law: An artifact that was interrupted has the same bytes as one that was not."""
    make(tmp_path / "a")
    make(tmp_path / "b", stop_after=1)
    make(tmp_path / "b", stop_after=2)
    make(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_finished_chunks_are_not_made_again(tmp_path: Path) -> None:
    assert make(tmp_path, stop_after=3) == [0, 1, 2]
    assert not Store(tmp_path).has("losses")
    assert make(tmp_path) == [3]


def test_a_damaged_chunk_is_made_again(tmp_path: Path) -> None:
    make(tmp_path, stop_after=3)
    part = tmp_path / "losses.part"
    first, second, third = sorted(part.glob("chunk-*"))
    first.write_bytes(first.read_bytes()[:-1])
    second.write_bytes(second.read_bytes()[:-1] + b"\x00")
    third.rename(part / f".{third.name}")  # written, but not yet named
    assert make(tmp_path) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "changed",
    [
        replace(PLAN, fingerprints={"model": "m2", "probe": "p1"}),
        replace(PLAN, settings={"draws": 3}),
        replace(PLAN, made_with={"chunk": 3, "torch": "3"}),
        replace(PLAN, chunks=5),
    ],
)
def test_an_unfinished_artifact_of_another_plan_is_begun_anew_and_the_person_is_told(
    tmp_path: Path, changed: Plan
) -> None:
    make(tmp_path, stop_after=2)
    with Writer(tmp_path, changed) as writer:
        assert writer.missing() == list(range(changed.chunks))
        assert writer.notice is not None
        assert "beginning anew" in writer.notice


# --- reading refuses ------------------------------------------------------------------------------


def test_a_missing_artifact_is_an_error_that_names_the_command(tmp_path: Path) -> None:
    """Law: A missing artifact is an error that names the command that makes it."""
    with pytest.raises(MissingArtifactError, match=r"python -m precompute losses --workspace .*"):
        opened(tmp_path)


def test_a_mismatch_is_refused_with_both_values_and_the_command(tmp_path: Path) -> None:
    """Law: An artifact made for anything else is refused with both values and the command that mends it."""
    make(tmp_path)
    with pytest.raises(MismatchError) as caught:
        opened(tmp_path, model="m9", probe="p1")
    for word in ("model m1", "model m9", "python -m precompute losses --workspace"):
        assert word in str(caught.value)
    with pytest.raises(MismatchError, match="dtype none"):
        opened(tmp_path, dtype="float32")


def test_damage_is_found_before_use(tmp_path: Path) -> None:
    make(tmp_path)
    whole = (tmp_path / "losses" / "x.npy").read_bytes()
    for damaged in (whole[:-1], whole[:-1] + b"\xff"):
        (tmp_path / "losses" / "x.npy").write_bytes(damaged)
        with pytest.raises(CorruptArtifactError, match=r"x\.npy has .* its manifest says .*python -m"):
            opened(tmp_path).array("x.npy")
        with pytest.raises(CorruptArtifactError):
            list(Store(tmp_path).verify("losses", {}))
    (tmp_path / "losses" / "x.npy").unlink()
    with pytest.raises(CorruptArtifactError, match="is gone"):
        opened(tmp_path).array("x.npy")
    with pytest.raises(CorruptArtifactError, match=r"does not list z\.npy"):
        opened(tmp_path).array("z.npy")


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"format": 0, "fingerprints": {}, "files": {}}',
        '{"format": 1, "fingerprints": {}, "files": {"../../x": {"sha256": "", "bytes": 1}}}',
        '{"format": 1, "fingerprints": [], "files": {}}',
        '{"format": 1, "fingerprints": {}, "files": {"x": {"bytes": 1}}}',
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, manifest: str) -> None:
    make(tmp_path)
    (tmp_path / "losses" / "manifest.json").write_text(manifest)
    with pytest.raises(CorruptArtifactError, match="damaged or of another version"):
        opened(tmp_path)


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    """Law: Pickled arrays are refused."""

    def pickled(chunks: Iterator[Chunk], folder: Path) -> None:
        np.save(folder / "x.npy", np.array([{}], dtype=object), allow_pickle=True)

    with Writer(tmp_path, replace(PLAN, chunks=0)) as writer:
        writer.missing()
        writer.publish(pickled)
    with pytest.raises(CorruptArtifactError, match="not a plain array"):
        opened(tmp_path).array("x.npy")


def test_up_to_date_is_what_the_plan_says_and_whole(tmp_path: Path) -> None:
    def current(plan: Plan) -> bool:
        with Writer(tmp_path, plan) as writer:
            return writer.up_to_date()

    assert not current(PLAN)
    make(tmp_path)
    assert current(PLAN)
    assert current(replace(PLAN, made_with={"chunk": 99, "torch": "9"}))  # differs by rounding at most
    assert not current(replace(PLAN, settings={"draws": 3}))
    assert not current(replace(PLAN, fingerprints={"model": "m2"}))
    (tmp_path / "losses" / "x.npy").write_bytes(b"")
    assert not current(PLAN)


def test_an_old_folder_that_cannot_be_removed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: Where an artifact cannot be replaced, what is in the way is named, and the old one stands."""
    make(tmp_path)
    before = contents(tmp_path / "losses")
    (tmp_path / "losses.old").mkdir()

    def refusing(path: Path, ignore_errors: bool = False) -> None:
        if not ignore_errors and path.name == "losses.old":
            raise PermissionError(13, "Permission denied", str(path))

    with Writer(tmp_path, replace(PLAN, settings={"draws": 3})) as writer:
        for number in writer.missing():
            writer.add(number, chunk(number))
        monkeypatch.setattr("shutil.rmtree", refusing)
        with pytest.raises(PermissionError, match=r"losses\.old"):
            writer.publish(assemble)
    assert contents(tmp_path / "losses") == before


# --- crashes --------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for a crash: nothing in our code catches it."""


@pytest.mark.parametrize("replaced", [False, True])
def test_a_crash_at_any_step_leaves_what_a_new_run_completes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, replaced: bool
) -> None:
    """Law: A job that crashes at any step leaves what a new run completes to the same bytes.

    Die before and after each operation on the disk in turn; readers see old, new or nothing.
    """
    monkeypatch.setattr(os, "fsync", lambda handle: None)  # thousands of them take minutes
    old = replace(PLAN, fingerprints={"model": "m0", "probe": "p1"})
    make(tmp_path / "reference")
    reference = contents(tmp_path / "reference")
    for step in range(1, 10_000):
        root = tmp_path / f"{step}"
        if replaced:
            make(root, old)
        with monkeypatch.context() as patch:
            left = die_at(patch, step)
            with contextlib.suppress(Killed):
                make(root)
            died = left[0] <= 0
        if Store(root).has("losses"):
            seen = Store(root).open("losses", {})
            assert seen.array("x.npy").shape == (12,)  # whole, whichever it is
        if Store(root).has("losses") and seen.fingerprints["model"] == "m1":
            with Writer(root, PLAN) as writer:
                assert writer.up_to_date()
        else:
            make(root)
        assert contents(root) == reference
        shutil.rmtree(root)
        if not died:
            break
    assert step > 30


def die_at(patch: pytest.MonkeyPatch, step: int) -> list[int]:
    """Make the `step`-th disk operation the last; odd ones die before it, even ones behind it."""
    left = [step]

    def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            result = real(*args, **kwargs)
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return result

        return call

    patch.setattr(os, "fsync", deadly(os.fsync))
    for name in ("rename", "mkdir", "write_bytes", "unlink"):
        patch.setattr(Path, name, deadly(getattr(Path, name)))
    patch.setattr(shutil, "rmtree", deadly(shutil.rmtree))
    return left


def test_manifests_hold_no_time_and_no_place(tmp_path: Path) -> None:
    make(tmp_path)
    manifest = json.loads((tmp_path / "losses" / "manifest.json").read_text())
    assert set(manifest) == {"format", "files", "measured", *PLAN.to_json()}
    assert str(tmp_path) not in json.dumps(manifest)

"""Laws of locks: one job makes an artifact, and none that is gone is in another's way."""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from attribution.errors import ArtifactError
from attribution.workspace.root_manifest import LOCK
from attribution.workspace.writer import Writer
from tests.attribution.workspace.test_store import PLAN, make


def hold(root: Path, held: Any) -> None:
    with Writer(root, PLAN):
        held.set()
        time.sleep(60)


def test_a_second_job_on_the_same_artifact_is_refused(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    held = context.Event()
    process = context.Process(target=hold, args=(tmp_path, held))
    process.start()
    try:
        assert held.wait(60)
        with pytest.raises(ArtifactError, match="another job is making losses"):
            make(tmp_path)
        make(tmp_path, replace(PLAN, name="fisher"))  # another artifact is free
    finally:
        process.kill()
        process.join()
    make(tmp_path)  # the kernel let go of the lock
    assert not (tmp_path / "losses.lock").exists()


def test_a_lock_is_held_by_one_writer_and_taken_again_when_it_is_free(tmp_path: Path) -> None:
    for _ in range(3):
        with Writer(tmp_path, PLAN):
            with pytest.raises(ArtifactError) as refused, Writer(tmp_path, PLAN):
                pass
            assert "\n" not in str(refused.value)
            assert (tmp_path / "losses.lock").exists()  # the one refused has not taken it away
        assert not (tmp_path / "losses.lock").exists()


def test_a_lock_of_the_manifest_that_could_not_be_deleted_is_taken_away_by_the_next_job(
    tmp_path: Path,
) -> None:
    """Law: The lock of the manifest that a failing disk has left is taken away, and a held one is not."""
    make(tmp_path)
    left = tmp_path / LOCK
    left.touch()
    with FileLock(left, thread_local=False), Writer(tmp_path, PLAN) as writer:
        assert writer.up_to_date()
        assert left.exists()
    with Writer(tmp_path, PLAN) as writer:
        assert writer.up_to_date()
    assert not left.exists()

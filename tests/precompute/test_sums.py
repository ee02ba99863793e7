"""Laws of what is an average over all training images: its sums are written seldom, and take little."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from attribution.gradients.stored import FISHER, KFAC
from attribution.workspace import writer
from attribution.workspace.baseline import LOSSES
from attribution.workspace.workspace import Workspace
from precompute import doctor, running
from precompute.binding import Sources
from precompute.doctor import examine
from precompute.jobs import curvature
from precompute.jobs.base import Job, job_of, with_options
from precompute.running import Execution, plan, rows_of_chunk, run_as_one
from precompute.work import Pace
from tests.conftest import Foreign
from tests.precompute.test_doctor import OPTIONS
from tests.worlds.folders import contents

NAMES = ("fisher", "kfac")


def both() -> list[Job]:
    return [with_options(job_of(kind), {"draws": 2}) for kind in (FISHER, KFAC)]


def made(folder: Path, how: Execution) -> None:
    for _ in run_as_one(Workspace.open(folder), both(), how, remake=True):
        pass


def fisher_of(folder: Path) -> dict[str, np.ndarray]:
    return load_file(folder / "fisher" / "fisher.safetensors")  # type: ignore[no-any-return]


def test_sums_are_written_a_hundred_times_at_most(
    foreign_copy: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: How often an expectation's sums are written does not grow with the training set."""
    workspace = Workspace.open(foreign_copy.workspace)
    fisher, losses = job_of(FISHER), job_of(LOSSES)
    assert (rows_of_chunk(workspace, fisher, Execution()), len(workspace.training_set)) == (64, 22)
    for chunk, sums, expected in ((2, 100, 2), (2, 5, 5), (2, 3, 8), (30, 3, 30)):
        monkeypatch.setattr(running, "CHUNK", chunk)
        monkeypatch.setattr(running, "SUMS", sums)
        assert rows_of_chunk(workspace, fisher, Execution()) == expected
        assert plan(workspace, fisher, Execution()).chunks <= min(sums, 11)
        assert rows_of_chunk(workspace, losses, Execution()) == chunk, "rows are kept as they come"
        assert rows_of_chunk(workspace, fisher, Execution(chunk=7)) == 7, "what is asked for is done"


def test_sums_take_no_more_of_the_disk_than_the_doctor_says(
    foreign_copy: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: On the way to an expectation the disk holds no more than the doctor says, at any moment."""
    folder, written, most = foreign_copy.workspace, Counter[str](), 0
    really = writer.write_durably

    def watched(path: Path, *parts: bytes | memoryview) -> None:
        nonlocal most
        sums = (file for name in NAMES for file in (folder / f"{name}.part").glob("sum-*"))
        there = sum(file.stat().st_size for file in sums)
        most = max(most, there + sum(map(len, parts)))
        written[path.name.partition("-")[0]] += 1
        really(path, *parts)

    monkeypatch.setattr(writer, "write_durably", watched)
    monkeypatch.setattr(running, "CHUNK", 2)
    monkeypatch.setattr(running, "SUMS", 6)
    made(folder, Execution())
    assert (written["sum"], written["chunk"]) == (12, 0), "six of each"
    monkeypatch.setattr(doctor, "measured_pace", lambda *_: Pace(1, 1, 1, 1))
    sources = Sources(str(foreign_copy.model), str(foreign_copy.dataset), {"clip": "none", "dino": "none"})
    planned = examine(sources, OPTIONS, "cpu").planned
    said = sum(each.sums for each in planned if each.artifact in NAMES)
    headers = 5 * 12 * 200  # of the files, and the sizes of what each layer's draws add
    assert 0.7 * said < most < said + headers


def test_a_large_chunk_holds_the_inputs_of_few_images(
    foreign_copy: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: An expectation's memory does not grow with its chunk, and its numbers change by rounding."""
    folder, asked = foreign_copy.workspace, list[int]()
    read = curvature.training_inputs

    def watched(workspace: Workspace, rows: range) -> Any:
        asked.append(len(rows))
        return read(workspace, rows)

    monkeypatch.setattr(curvature, "training_inputs", watched)
    made(folder, Execution(chunk=5))
    assert set(asked) == {5, 2}
    before = fisher_of(folder)
    asked.clear()
    monkeypatch.setattr(curvature, "AT_ONCE", 5)
    made(folder, Execution(chunk=22))
    assert asked == [5, 5, 5, 5, 2]
    after = fisher_of(folder)
    assert after.keys() == before.keys()
    for name, value in before.items():
        np.testing.assert_allclose(after[name], value, rtol=1e-3, atol=1e-6 * value.max())
    reference = {name: contents(folder / name) for name in NAMES}
    made(folder, Execution(chunk=22))
    assert {name: contents(folder / name) for name in NAMES} == reference

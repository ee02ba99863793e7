"""Laws of what `precompute all` says before it begins, and when it is done."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from attribution.encoders.base import Encoder
from attribution.models.base import DiffusionModel
from attribution.workspace.baseline import LOSSES
from attribution.workspace.workspace import Workspace
from precompute import outlook as reckoning
from precompute.__main__ import main
from precompute.jobs.base import job_of, jobs_in, jobs_of, with_options
from precompute.outlook import opening, outlook, rows_left
from precompute.running import Execution, run
from precompute.work import Pace, Work
from tests.conftest import Foreign
from tests.precompute.test_doctor import OPTIONS

CHUNKS = Execution(chunk=5)


@pytest.fixture(autouse=True)
def at_a_known_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute for everything: what is said can be reckoned by hand."""

    def pace(model: DiffusionModel, encoders: Mapping[str, Encoder], caption: str) -> Pace:
        return Pace(60, 60, 60, 60, dict.fromkeys(encoders, 60))

    monkeypatch.setattr(reckoning, "measured_pace", pace)


def test_the_time_is_told_at_the_beginning_and_the_page_at_the_end(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: Precomputing all begins with the time that it may take and ends with how to open the page."""
    shutil.rmtree(foreign_copy.workspace / "embeddings-pixel")
    rows = len(Workspace.open(foreign_copy.workspace).training_set)
    assert main(foreign_copy.arguments()) == 0
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith(f"1 artifact to make: about {rows} min in all, by one process")
    assert last == f"open the page on it: python app.py --workspace {foreign_copy.workspace}"


def test_nothing_is_timed_where_all_is_there(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(reckoning, "measured_pace")  # to ask for it would fail
    assert main(foreign_copy.arguments()) == 0
    said = capsys.readouterr().err.splitlines()
    assert "to make" not in said[0]
    assert said[-1].startswith("open the page on it: ")


def test_only_what_is_missing_is_counted(foreign_copy: Foreign) -> None:
    """Law: The time reckoned is that of rows not yet done, and of whatever is made from them."""
    folder = foreign_copy.workspace
    jobs = [with_options(job, OPTIONS) for job in jobs_in(Workspace.open(folder), jobs_of("all"))]
    assert all(rows_left(Workspace.open(folder), job, CHUNKS) == 0 for job in jobs)
    assert outlook(Workspace.open(folder), jobs, CHUNKS) == ""
    shutil.rmtree(folder / "losses")
    shutil.rmtree(folder / "kfac")
    losses = job_of(LOSSES)
    steps = run(Workspace.open(folder), losses, CHUNKS)
    next(steps), next(steps), next(steps)
    steps.close()
    workspace = Workspace.open(folder)
    total = len(workspace.training_set)
    left = {job.kind.folder: rows_left(workspace, job, CHUNKS) for job in jobs}
    assert {name for name, rows in left.items() if rows} == {"losses", "kfac", "ekfac"}
    assert (left["losses"], left["kfac"], left["ekfac"]) == (total - 10, total, total)
    assert rows_left(workspace, losses, Execution(chunk=6)) == total, "other chunks are begun anew"
    minutes = sum(
        rows * Pace(1, 1, 1, 1).seconds(work)
        for job in jobs
        if (rows := left[job.kind.folder]) and (work := job.work(workspace)) != Work()
    )
    assert f"3 artifacts to make: about {minutes / 60:.0f} hours in all" in outlook(workspace, jobs, CHUNKS)


def test_the_page_is_opened_by_a_line_that_a_shell_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    said = opening(Path("my models/one"), "cuda")
    assert said.endswith("python app.py --workspace 'my models/one' --device cuda")
    monkeypatch.setattr("sys.argv", ["/somewhere/bin/whence", "precompute", "all"])
    assert opening(Path("w"), "cpu").endswith(": whence app --workspace w")

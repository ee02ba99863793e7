"""Laws of a disk that fails, a few of each kind; `python -m tests.faults` fails every call in turn."""

from __future__ import annotations

import itertools
import random
import time
from pathlib import Path

import pytest

from app.runs.archive import RunArchive
from attribution.workspace.workspace import Workspace
from tests.faults.disk import FAULTS, Disk
from tests.faults.jobs import Jobs
from tests.faults.queries import Queries
from tests.faults.runs import Runs
from tests.faults.trial import Trial
from tests.worlds.answers import answered_run

A_YEAR = 365 * 24 * 3600.0


def wrong(trials: list[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.wrong]


@pytest.fixture(scope="module")
def losses(tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    """A workspace that is bound, whose losses are made."""
    return Jobs(tmp_path_factory.mktemp("jobs"), only="losses")


@pytest.mark.slow
def test_a_job_goes_on_after_its_disk_was_full(losses: Jobs) -> None:
    """Law: A job whose disk fills at any call says so in one line, and later ends in the same bytes."""
    found = list(losses.trials(FAULTS["full"]))
    assert wrong(found) == []
    assert len(found) > 30
    assert any("No space left on device" in trial.said for trial in found)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "full"])
def test_a_job_goes_on_after_other_faults(losses: Jobs, fault: str) -> None:
    assert wrong(list(itertools.islice(losses.trials(FAULTS[fault]), 12))) == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["full", "no-memory"])
def test_a_run_is_kept_whole_or_not_at_all(tmp_path: Path, tiny_world: Workspace, fault: str) -> None:
    """Law: A run whose disk fails at any call is kept whole or not at all, and why is said in one line."""
    found = list(Runs(tmp_path, tiny_world).trials(FAULTS[fault]))
    assert wrong(found) == []
    assert len(found) > 15


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["full", "broken"])
def test_a_query_answers_or_says_why_not(tmp_path: Path, fault: str) -> None:
    """Law: A query whose disk fails says so in one line, and never writes half an answer."""
    found = list(itertools.islice(Queries(tmp_path).trials(FAULTS[fault]), 15))
    assert wrong(found) == []
    assert found


def test_nothing_depends_on_a_clock_that_stands(
    tmp_path: Path, tiny_world: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: A run is kept and read while the clock jumps by years, to and fro."""
    jumps, real = random.Random(0), time.time
    monkeypatch.setattr(time, "time", lambda: real() + jumps.uniform(-A_YEAR, A_YEAR))
    run = answered_run(tiny_world)
    key = RunArchive(tmp_path / "runs", tiny_world).keep(run)
    archive = RunArchive(tmp_path / "runs", tiny_world)
    assert archive.read(run.id).begun == run.begun
    assert archive.forget(run.id, key)


def test_every_call_on_a_file_is_one_that_may_fail(tmp_path: Path) -> None:
    disk = Disk(tmp_path, None, set())
    with disk:
        (tmp_path / "made").mkdir()
        with (tmp_path / "made" / "x").open("w") as handle:
            handle.write("x")
        assert (tmp_path / "made" / "x").read_text() == "x"
        (tmp_path / "made" / "x").rename(tmp_path / "y")
        assert not list((tmp_path / "made").iterdir())
        (tmp_path / "y").unlink()
    kinds = {kind for kind, _ in disk.seen}
    assert kinds == {"mkdir", "open to write", "write", "open to read", "read", "rename", "list", "remove"}

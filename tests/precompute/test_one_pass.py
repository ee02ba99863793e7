"""Laws of jobs that read the same draws: one pass makes them all, and each is what it is alone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from attribution.encoders.base import Encoder
from attribution.gradients.stored import EKFAC, FISHER, KFAC
from attribution.models.base import DiffusionModel
from attribution.workspace.executors.base import Asked, Executor, opened_executor
from attribution.workspace.workspace import Workspace
from precompute import outlook as reckoning
from precompute.jobs.base import Job, all_jobs, job_of, jobs_in, passes, with_options
from precompute.outlook import outlook
from precompute.running import Execution, run, run_as_one
from precompute.work import Pace
from tests.conftest import Foreign
from tests.precompute.test_doctor import OPTIONS
from tests.worlds.folders import contents

HOW = Execution(chunk=5)
NAMES = ("fisher", "kfac")


def both() -> list[Job]:
    return [with_options(job_of(kind), {"draws": 2}) for kind in (FISHER, KFAC)]


def made_at_once(folder: Path, executor: Executor | None = None) -> None:
    for _ in run_as_one(Workspace.open(folder), both(), HOW, remake=True, executor=executor):
        pass


def bytes_of(folder: Path) -> dict[str, Mapping[str, bytes]]:
    return {name: contents(folder / name) for name in NAMES}


def test_expectations_of_one_pass_are_those_of_passes_of_their_own(foreign_copy: Foreign) -> None:
    """Law: What is made in one pass with others is, to the last bit, what it is alone."""
    folder = foreign_copy.workspace
    for job in both():
        for _ in run(Workspace.open(folder), job, HOW, remake=True):
            pass
    alone = bytes_of(folder)
    made_at_once(folder)
    assert bytes_of(folder) == alone


def test_one_pass_differentiates_each_draw_once(
    foreign_copy: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law: Jobs that read the same draws differentiate each of them once."""
    workspace, draws = Workspace.open(foreign_copy.workspace), 0
    model = type(workspace.model)
    differentiated = model.loss_and_factors

    def counted(self: object, weights: object, batch: Sequence[object], *mask: object) -> object:
        nonlocal draws
        draws += len(batch)
        return differentiated(self, weights, batch, *mask)  # type: ignore[arg-type]

    monkeypatch.setattr(model, "loss_and_factors", counted)
    for _ in run_as_one(workspace, both(), HOW, remake=True):
        pass
    assert draws == 2 * len(workspace.training_set)


@pytest.mark.parametrize("behind", NAMES)
def test_a_pass_that_was_killed_between_two_sums_makes_the_same_bytes(
    foreign_copy: Foreign, behind: str
) -> None:
    """Law: Of one pass each artifact goes on from its own last chunk, and comes to the same bytes."""
    folder = foreign_copy.workspace
    made_at_once(folder)
    reference = bytes_of(folder)
    steps = run_as_one(Workspace.open(folder), both(), HOW, remake=True)
    for _ in range(4):
        next(steps)
    steps.close()
    sorted((folder / f"{behind}.part").glob("sum-*"))[-1].unlink()  # as if it had not been written yet
    steps = run_as_one(Workspace.open(folder), both(), HOW, remake=True)
    first = next(steps)
    assert (first.artifact, first.done) == ("fisher, kfac", 10)
    assert {f"continues after {n} of {first.total}" for n in (10, 15)} == set(
        (first.note or "").split("; ")
    )
    for _ in steps:
        pass
    assert bytes_of(folder) == reference


def test_what_is_there_is_left_and_the_others_are_made_alone(foreign_copy: Foreign) -> None:
    folder = foreign_copy.workspace
    made_at_once(folder)
    reference = bytes_of(folder)
    shutil.rmtree(folder / "kfac")
    steps = list(run_as_one(Workspace.open(folder), both(), HOW))
    assert (steps[0].artifact, steps[0].note) == ("fisher", "is there already")
    assert {step.artifact for step in steps[1:]} == {"kfac"}
    assert bytes_of(folder) == reference


def test_jobs_are_one_pass_where_none_reads_what_another_makes() -> None:
    """Law: A job runs after those whose artifacts it reads, also where several are one pass."""
    groups = passes(all_jobs())
    assert [job for group in groups for job in group if len(group) > 1] == list(map(job_of, (FISHER, KFAC)))
    made: set[object] = set()
    for group in groups:
        assert all(set(job.reads) <= made for job in group)
        made |= {job.kind for job in group}
    assert made == {job.kind for job in all_jobs()}


def test_jobs_of_other_draws_are_passes_of_their_own() -> None:
    fisher, kfac = map(job_of, (FISHER, KFAC))
    assert passes([fisher, with_options(kfac, {"draws": 3})]) == [
        (fisher,),
        (with_options(kfac, {"draws": 3}),),
    ]
    assert passes([fisher, replace(kfac, seed=1)])[0] == (fisher,)  # type: ignore[type-var]
    assert passes([kfac, job_of(EKFAC), fisher]) == [(kfac, fisher), (job_of(EKFAC),)]


def test_the_time_of_one_pass_is_reckoned_once(
    foreign_copy: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pace(model: DiffusionModel, encoders: Mapping[str, Encoder], caption: str) -> Pace:
        return Pace(60, 60, 60, 60, dict.fromkeys(encoders, 60))

    monkeypatch.setattr(reckoning, "measured_pace", pace)
    workspace = Workspace.open(foreign_copy.workspace)
    jobs = [with_options(job, OPTIONS) for job in jobs_in(workspace, all_jobs())]
    two = [job for job in jobs if job.kind in (FISHER, KFAC)]
    for name in NAMES:
        shutil.rmtree(foreign_copy.workspace / name)
    minutes = 2 * len(workspace.training_set)  # two draws of each
    assert outlook(workspace, two, HOW).startswith(f"2 artifacts to make: about {minutes} min in all")


@pytest.mark.slow
def test_several_workers_make_one_pass_as_one_process_does(foreign_copy: Foreign) -> None:
    folder = foreign_copy.workspace
    made_at_once(folder)
    reference = bytes_of(folder)
    with opened_executor("processes", Asked(workers=2), "cpu") as executor:
        made_at_once(folder, executor)
    assert bytes_of(folder) == reference

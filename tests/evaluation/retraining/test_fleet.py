"""Laws of the fleet. Its models are pretended: a folder that says what was left out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from attribution.errors import ResultError, SettingsError
from evaluation.retraining.fleet import Fleet, Planned
from evaluation.retraining.job import Job, Plan
from evaluation.retraining.left_out import LeftOut
from evaluation.retraining.recipe import Recipe
from evaluation.retraining.records import Records
from tests.evaluation.retraining.conftest import write_recipe

RECORD = """
import pathlib, sys
model, record, log = map(pathlib.Path, sys.argv[1:4])
record.parent.mkdir(exist_ok=True)
with log.open("a") as lines:
    lines.write(record.stem + "\\n")
record.write_text(model.joinpath("ids").read_text())
"""


def recording(planned: Planned, number: int, model: Path, records: Records, seconds: float) -> list[str]:
    """Writes a record that holds the ids, and notes every measurement in `measured`."""
    path = records.path(planned.plan.key(planned.plan.jobs[number]))
    return [sys.executable, "-c", RECORD, str(model), str(path), str(records.folder.parent / "measured")]


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path / "work", Records(tmp_path / "records"), measuring=recording)


def run(fleet: Fleet, path: Path, workers: int = 2) -> list[str]:
    return fleet.run([(path, Plan.read(path))], workers, lambda line: None)


def records(fleet: Fleet) -> list[str]:
    return sorted(path.read_text() for path in fleet.records.folder.glob("*.json"))


def measured(fleet: Fleet) -> list[str]:
    return (fleet.records.folder.parent / "measured").read_text().split()


def until(happened: Callable[[], bool]) -> None:
    for _ in range(500):
        if happened():
            return
        time.sleep(0.02)
    pytest.fail("it never happened")


def test_every_job_is_recorded_and_none_is_done_twice(fleet: Fleet, plan_of: Callable[..., Path]) -> None:
    """Law: A recorded job is never trained again, whatever plan it stands in."""
    first, more = plan_of((), (1, 2), (3,)), plan_of((3,), (4,), (2, 1), name="more")
    assert run(fleet, first) == []
    ids = Recipe.read(Path(Plan.read(first).recipe)).training_set.ids
    assert records(fleet) == sorted(["", f"{ids[1]}\n{ids[2]}\n", f"{ids[3]}\n"])
    assert run(fleet, more) == []
    assert len(measured(fleet)) == len(set(measured(fleet))) == 4
    assert not list(fleet.work.glob("*/model"))  # they are recorded


def test_models_are_kept_if_asked_for(fleet: Fleet, plan_of: Callable[..., Path]) -> None:
    keeping = Fleet(fleet.work, fleet.records, keep=True, measuring=recording)
    run(keeping, plan_of((), (1,)))
    assert len(list(fleet.work.glob("*/model"))) == 2


def test_two_fleets_never_do_the_same_job(fleet: Fleet, plan_of: Callable[..., Path]) -> None:
    """Law: Two fleets on the same plans never do the same job."""
    path = plan_of(*((row,) for row in range(6)))
    other = Fleet(fleet.work, fleet.records, measuring=recording)
    threads = [threading.Thread(target=run, args=(each, path)) for each in (fleet, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(measured(fleet)) == len(set(measured(fleet))) == 6


def test_a_command_that_fails_is_named_by_its_log_and_the_others_go_on(
    fleet: Fleet, plan_of: Callable[..., Path]
) -> None:
    path = plan_of((1,), (2,))
    fleet.work.mkdir()
    (fleet.work / "broken").touch()
    failed = run(fleet, path)
    assert len(failed) == 2
    assert "it came apart" in Path(failed[0]).read_text()
    (fleet.work / "broken").unlink()
    assert run(fleet, path) == []
    assert len(measured(fleet)) == 2


def test_many_are_trained_by_one_command_and_measured_as_they_come(
    fleet: Fleet, plan_of: Callable[..., Path]
) -> None:
    """Law: What is trained together is recorded as if each had been trained by itself, and once."""
    path = plan_of((1,), (2,), (3,))
    plan = Plan.read(path)
    told: list[str] = []
    held = threading.Thread(target=run, args=(fleet, plan_of((2,), name="other"), 1))
    fleet.work.mkdir()
    (fleet.work / "slow").touch()
    held.start()  # another has the second in hand
    until(lambda: fleet.in_hand(plan, plan.jobs[1]))
    other = Fleet(fleet.work, fleet.records, measuring=recording)
    many = threading.Thread(target=other.run, args=([(path, plan)], 2, told.append, 8))
    many.start()
    until(lambda: any(fleet.work.glob("together-*/log.txt")))
    assert all(fleet.in_hand(plan, job) for job in plan.jobs)
    (fleet.work / "slow").unlink()
    held.join()
    many.join()
    assert len(measured(fleet)) == len(set(measured(fleet))) == 3
    begun = [(fleet.folder(plan, job) / "begun").read_text() for job in plan.jobs]
    assert begun == ["8", "", "8"]
    assert told[0].startswith("small: 2 models, 8 at once: ")
    assert not any(fleet.in_hand(plan, job) for job in plan.jobs)


def test_two_fleets_that_train_many_train_each_its_own(fleet: Fleet, plan_of: Callable[..., Path]) -> None:
    """Law: Fleets of one recipe that train many at once never train the same model."""
    plans = [plan_of((1,), (2,), name="one"), plan_of((3,), (4,), name="other")]
    fleet.work.mkdir()
    (fleet.work / "slow").touch()
    told: list[str] = []
    fleets = [Fleet(fleet.work, fleet.records, measuring=recording) for _ in plans]
    threads = [
        threading.Thread(target=each.run, args=([(path, Plan.read(path))], 2, told.append, 8))
        for each, path in zip(fleets, plans, strict=True)
    ]
    for thread in threads:
        thread.start()
    until(lambda: len(list(fleet.work.glob("together-*/log.txt"))) == 2)
    (fleet.work / "slow").unlink()
    for thread in threads:
        thread.join()
    assert len(measured(fleet)) == len(set(measured(fleet))) == 4
    assert [line.partition(",")[0] for line in told[:2]] == ["small: 2 models"] * 2


def test_a_model_that_was_trained_and_not_measured_is_measured_beside_many(
    fleet: Fleet, plan_of: Callable[..., Path]
) -> None:
    path = plan_of((1,), (2,))

    def stumbling(*_: object) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('it was killed')"]

    killed = Fleet(fleet.work, fleet.records, measuring=stumbling)
    assert len(killed.run([(path, Plan.read(path))], 2, lambda line: None, together=2)) == 2
    assert fleet.run([(path, Plan.read(path))], 2, lambda line: None, together=2) == []
    assert len(measured(fleet)) == 2


def test_models_are_measured_where_it_is_said(fleet: Fleet, plan_of: Callable[..., Path]) -> None:
    path, devices = plan_of((1,)), fleet.records.folder.parent / "devices"

    def telling(*given: object) -> list[str]:
        code = f"import sys; open({str(devices)!r}, 'w').write(' '.join(sys.argv[-4:]))"
        return [sys.executable, "-c", code]

    elsewhere = Fleet(fleet.work, fleet.records, "cuda", measuring=telling, measured_on="cpu")
    run(elsewhere, path)
    assert devices.read_text() == "--device cpu --trained-on cuda"


def test_what_the_command_for_many_left_is_trained_by_itself(
    fleet: Fleet, plan_of: Callable[..., Path], small_recipe: Path, tmp_path: Path
) -> None:
    path = plan_of((1,), (2,))
    plan = Plan.read(path)
    fleet.folder(plan, plan.jobs[1]).mkdir(parents=True)
    (fleet.folder(plan, plan.jobs[1]) / "model.part").mkdir()  # which the first try stumbles over
    failed = fleet.run([(path, plan)], 1, lambda line: None, together=2)
    assert len(failed) == 2  # the command for many, and the one by itself
    assert "one came apart" in Path(failed[0]).read_text()
    assert len(measured(fleet)) == 1
    (fleet.folder(plan, plan.jobs[1]) / "model.part").rmdir()
    assert run(fleet, path) == []
    assert len(measured(fleet)) == 2


def test_a_recipe_without_a_command_for_many_is_refused(
    fleet: Fleet, small_panel: Path, tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path / "alone.toml")
    job = Job(0, LeftOut.of((1,), Recipe.read(recipe).training_set.ids), {})
    plan = Plan.of("alone", recipe, small_panel, [job])
    with pytest.raises(SettingsError, match="train_together"):
        fleet.run([(tmp_path / "alone.json", plan)], 1, lambda line: None, together=2)
    assert not fleet.records.has(plan.key(job))


ORPHANED = """
import sys
from pathlib import Path
from evaluation.retraining.fleet import Fleet
from evaluation.retraining.job import Plan
from evaluation.retraining.records import Records
path, work, records = map(Path, sys.argv[1:])
Fleet(work, Records(records)).run([(path, Plan.read(path))], 1, print)
"""


@pytest.mark.slow
def test_a_training_that_outlives_its_fleet_still_holds_its_job(
    fleet: Fleet, plan_of: Callable[..., Path]
) -> None:
    """Law: A fleet may be killed at any moment: what it began is nobody else's until it has ended."""
    path = plan_of((1,))
    plan = Plan.read(path)
    fleet.work.mkdir()
    (fleet.work / "slow").touch()
    begun = fleet.folder(plan, plan.jobs[0]) / "begun"
    arguments = [sys.executable, "-c", ORPHANED, str(path), str(fleet.work), str(fleet.records.folder)]
    killed = subprocess.Popen(arguments)
    until(begun.exists)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    assert fleet.in_hand(plan, plan.jobs[0])
    assert run(fleet, path) == []
    assert not fleet.records.has(plan.key(plan.jobs[0]))
    (fleet.work / "slow").unlink()
    until(lambda: not fleet.in_hand(plan, plan.jobs[0]))
    begun.unlink()
    run(fleet, path)
    assert not begun.exists()  # its model was there
    assert measured(fleet) == [plan.key(plan.jobs[0])]


def test_a_fleet_that_is_stopped_ends_its_commands(fleet: Fleet, plan_of: Callable[..., Path]) -> None:
    path = plan_of((1,), (2,))
    plan = Plan.read(path)
    fleet.work.mkdir()
    (fleet.work / "slow").touch()
    thread = threading.Thread(target=run, args=(fleet, path))
    thread.start()
    until(lambda: len(list(fleet.work.glob("*/begun"))) == 2)
    assert all(fleet.in_hand(plan, job) for job in plan.jobs)
    fleet._stop.set()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert not any(fleet.in_hand(plan, job) for job in plan.jobs)
    assert not list(fleet.work.glob("*/model"))


def test_a_training_by_itself_that_is_interrupted_ends_its_command(
    fleet: Fleet, plan_of: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = Plan.read(plan_of((1,)))
    fleet.work.mkdir()
    (fleet.work / "slow").touch()
    begun = fleet.folder(plan, plan.jobs[0]) / "begun"

    def interrupted(seconds: float) -> bool:
        time.sleep(seconds)
        if begun.exists():
            raise KeyboardInterrupt
        return False

    monkeypatch.setattr(fleet._stop, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fleet.train(Recipe.read(Path(plan.recipe)), plan, plan.jobs[0])
    assert not fleet.in_hand(plan, plan.jobs[0])


def test_a_reference_can_be_trained_before_there_is_a_panel(
    fleet: Fleet, plan_of: Callable[..., Path], small_recipe: Path
) -> None:
    planned = Plan.read(plan_of(()))
    recipe = Recipe.read(small_recipe)
    job = Job(0, LeftOut.of((), recipe.training_set.ids), {})
    alone = Plan("x", "", recipe.digest, "", "", recipe.training_set.fingerprint, False, (job,))
    model = fleet.train(recipe, alone, job)
    assert model.joinpath("ids").read_text() == ""
    assert fleet.folder(planned, planned.jobs[0]) / "model" == model  # nothing is trained twice
    run(fleet, plan_of(()))
    assert len(records(fleet)) == 1
    assert model.exists()  # asked for by itself, it stays when it is recorded
    (fleet.work / "broken").touch()
    with pytest.raises(ResultError, match=r"log\.txt"):
        fleet.train(recipe, alone, Job(1, job.left_out, {}))

"""Laws of the executors: whoever computes, and whoever of them is lost, the bytes are the same."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from attribution.errors import MismatchError, WorkerError
from attribution.gradients.stored import FISHER
from attribution.workspace.baseline import LOSSES
from attribution.workspace.executors import base
from attribution.workspace.executors.base import (
    Asked,
    Made,
    Maker,
    Order,
    Task,
    library_versions,
    machine_here,
    opened_executor,
)
from attribution.workspace.executors.local import Local
from attribution.workspace.executors.processes import Processes
from attribution.workspace.executors.workers import Lost, Outcome, WithWorkers, Worker
from attribution.workspace.workspace import Workspace
from precompute.__main__ import main
from precompute.jobs.base import Job, job_of, with_options
from precompute.running import Execution, run
from tests.conftest import Foreign
from tests.worlds import ROOT
from tests.worlds.executors import SEVERAL
from tests.worlds.folders import contents

HERE = Asked()
FLAGS = ["--chunk", "5", "--remake"]


class Shuffled(Local):
    """Makes chunks in another order than asked."""

    def chunks(
        self, workspace: Workspace, maker: Maker, batch_size: int, tasks: Sequence[Task]
    ) -> Generator[Made, None, None]:
        order = np.random.default_rng(3).permutation(len(tasks))
        yield from super().chunks(workspace, maker, batch_size, [tasks[k] for k in order])


def made(workspace: Workspace, job: Job, executor: object) -> dict[str, bytes]:
    """Every byte of an artifact that some executor makes anew."""
    for _ in run(workspace, job, Execution(chunk=5), True, executor):  # type: ignore[arg-type]
        pass
    return contents(workspace.folder / job.kind.folder)


@pytest.mark.parametrize("kind", [LOSSES, FISHER])
def test_the_order_of_chunks_changes_no_byte(foreign_copy: Foreign, kind: object) -> None:
    """Law: In whatever order chunks are made, and also where they are added up, the bytes are the same."""
    workspace = Workspace.open(foreign_copy.workspace)
    job = with_options(job_of(kind), {"draws": 2})  # type: ignore[arg-type]
    assert made(workspace, job, Shuffled()) == contents(foreign_copy.workspace / job.kind.folder)


def test_a_sum_that_was_interrupted_out_of_order_goes_on_with_all_that_was_made(
    foreign_copy: Foreign,
) -> None:
    """Law: No finished chunk is made again, also of a sum whose chunks came out of order."""
    reference = contents(foreign_copy.workspace / "fisher")
    workspace, job = Workspace.open(foreign_copy.workspace), with_options(job_of(FISHER), {"draws": 2})
    done = 0
    for _ in range(2):
        steps = run(workspace, job, Execution(chunk=5), True, Shuffled())
        assert next(steps).done == done
        next(steps)
        done = next(steps).done
        steps.close()
    steps = run(workspace, job, Execution(chunk=5), True, Shuffled())
    assert next(steps).done == done > 10
    for _ in steps:
        pass
    assert contents(foreign_copy.workspace / "fisher") == reference


@pytest.mark.slow
@pytest.mark.parametrize("executor", SEVERAL)
def test_several_workers_make_the_bytes_of_one_process(foreign_copy: Foreign, executor: str) -> None:
    """Law: An artifact's bytes are the same whoever computes it, here or elsewhere."""
    folder = foreign_copy.workspace
    for name in ("losses", "fisher", "embeddings-pixel", "gradients"):
        before, verb = contents(folder / name), name.partition("-")[0]
        options = ["--draws", "2"] if verb in ("fisher", "gradients") else []
        options += ["--dimensions", "256"] if verb == "gradients" else []
        given = [verb, "--workspace", str(folder), *FLAGS, *options]
        assert main([*given, "--executor", executor, "--workers", "2"]) == 0
        assert contents(folder / name) == before


class Killing(WithWorkers):
    """Workers of which one is killed whenever a chunk has come."""

    killed = False

    def chunks(
        self, workspace: Workspace, maker: Maker, batch_size: int, tasks: Sequence[Task]
    ) -> Generator[Made, None, None]:
        for made in super().chunks(workspace, maker, batch_size, tasks):
            yield made
            if made is None:
                continue
            victims = [each for each in psutil.Process().children(recursive=True) if _computes(each)]
            if victims:
                victims[-1].kill()
                self.killed = True


def _computes(process: psutil.Process) -> bool:
    """Whether it is a worker: a child of the fork server, or an actor of Ray."""
    try:
        parent = process.parent()
        words, above = (" ".join(each.cmdline()) if each else "" for each in (process, parent))
    except psutil.NoSuchProcess:
        return False  # it has ended since it was listed
    return words.startswith("ray::Worker") or ("forkserver" in words and "forkserver" in above)


@pytest.mark.parametrize("name", SEVERAL)
def test_a_lost_worker_changes_no_byte(foreign_copy: Foreign, name: str) -> None:
    """Law: Workers that are killed while they compute are replaced, and change no byte."""
    workspace = Workspace.open(foreign_copy.workspace)
    reference = contents(foreign_copy.workspace / "losses")
    with opened_executor(name, Asked(workers=2), "cpu") as executor:
        assert isinstance(executor, WithWorkers)
        killing = Killing(executor.workers)
        assert made(workspace, job_of(LOSSES), killing) == reference
        assert killing.killed


def test_a_chunk_whose_workers_are_always_lost_is_an_error_not_a_loop(foreign_copy: Foreign) -> None:
    class Cursed:
        given: tuple[Task, ...] = ()

        def count(self) -> int:
            return 1

        def side_by_side(self) -> int:
            return 1

        def free(self) -> bool:
            return not self.given

        def give(self, order: Order, task: Task) -> None:
            self.given = (task,)

        def returned(self) -> list[tuple[Task, Outcome]]:
            (task,), self.given = self.given, ()
            return [(task, Lost("its node is gone"))]

        def drop(self) -> None:
            self.given = ()

    workspace = Workspace.open(foreign_copy.workspace)
    with pytest.raises(WorkerError, match=r"its node is gone.*fewer --workers"):
        made(workspace, job_of(LOSSES), WithWorkers(Cursed()))


def test_what_a_job_cannot_do_is_said_as_if_it_had_been_done_here(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str]
) -> None:
    """Law: An error in a worker is the same line, and the same exit status, as one in this process."""
    picture = next(foreign_copy.dataset.rglob("*.png"))
    picture.write_bytes(picture.read_bytes() + b"x")
    said = []
    for more in ([], ["--executor", "processes", "--workers", "1"]):
        assert main(["latents", "--workspace", str(foreign_copy.workspace), *FLAGS, *more]) == 2
        said.append(capsys.readouterr().err)
    assert said[0] == said[1]
    assert "has changed since it was scanned" in said[0]


def test_a_worker_that_would_round_otherwise_is_refused(foreign_copy: Foreign) -> None:
    """Law: Machines whose numbers would be rounded otherwise don't compute one artifact together."""
    workspace = Workspace.open(foreign_copy.workspace)
    order = Order.of(workspace, job_of(LOSSES), 8)
    machine = machine_here("cpu")
    older = tuple((name, "1.0" if name == "torch" else version) for name, version in machine.versions)
    for other, words in (
        (replace(machine, versions=older), "a worker has versions torch .*, not torch 1.0"),
        (replace(machine, processor="VAX"), "a worker has processor .*, not VAX"),
    ):
        outcome = Worker().outcome(replace(order, machine=other), Task(0, range(2)))
        with pytest.raises(MismatchError, match=words):
            raise outcome  # type: ignore[misc]  # it is none if the law doesn't hold, which raises too


def test_workers_are_gone_when_a_job_is_stopped_midway(foreign_copy: Foreign) -> None:
    workspace, workers = Workspace.open(foreign_copy.workspace), Processes(1)
    steps = run(workspace, job_of(LOSSES), Execution(chunk=5), True, WithWorkers(workers))
    next(steps), next(steps)
    there = [each.process.pid for each in workers._there]
    steps.close()
    assert there
    assert not any(psutil.pid_exists(pid) for pid in there if pid is not None)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ["--workers", "2"],
            "--workers is not for the executor local: leave it out, or use processes",
        ),
        (["--executor", "processes", "--address", "auto"], "--address is not for the executor processes"),
        (["--gpus-per-task", "0.5"], "--gpus-per-task is not for the executor local"),
    ],
)
def test_a_flag_of_another_executor_is_refused(
    foreign_copy: Foreign, capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    assert main(["losses", "--workspace", str(foreign_copy.workspace), *flags]) == 2
    assert words in capsys.readouterr().err


def test_either_faiss_is_named_among_what_an_artifact_was_made_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "faiss-cpu" in library_versions()
    described = tmp_path / "faiss_gpu-9.9.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: faiss-gpu\nVersion: 9.9\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert library_versions.__wrapped__()["faiss-gpu"] == "9.9"


def test_machines_with_either_faiss_compute_one_artifact_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law: A node with FAISS for GPUs is alike one with FAISS for CPUs: neither makes a chunk with it."""
    here, versions = machine_here("cpu"), library_versions()
    other = {name: version for name, version in versions.items() if name != "faiss-cpu"}
    monkeypatch.setattr(base, "library_versions", lambda: {**other, "faiss-gpu": "9.9"})
    assert machine_here("cpu").difference(here) is None
    monkeypatch.setattr(base, "library_versions", lambda: {**other, "torch": "9.9"})
    assert here.difference(machine_here("cpu")) == f"versions torch 9.9, not torch {versions['torch']}"


# Whatever is written beyond this many bytes fails, as on a disk that is full; a chunk is smaller.
FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
from precompute.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_a_full_disk_loses_no_finished_chunk(foreign_copy: Foreign) -> None:
    """Law: A disk that is full is said in one line, and loses no finished chunk."""
    folder, reference = foreign_copy.workspace, contents(foreign_copy.workspace / "losses")
    size = (folder / "losses" / "losses.npy").stat().st_size
    command = ["losses", "--workspace", str(folder), *FLAGS, "--executor", "processes", "--workers", "2"]
    done = subprocess.run(
        [sys.executable, "-c", FULL.format(limit=size - 1), *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},  # or it leaves half a file of our own modules
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: File too large")
    kept = {path.name: path.stat().st_mtime_ns for path in (folder / "losses.part").glob("chunk-*")}
    assert len(kept) == 5
    steps = run(Workspace.open(folder), job_of(LOSSES), Execution(chunk=5), True)
    first = next(steps)
    assert first.done == first.total
    for _ in steps:
        pass
    assert contents(folder / "losses") == reference

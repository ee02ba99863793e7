"""Trains and measures what is not recorded yet: several jobs at once, each a process of one thread.

It can be killed at any moment: a training goes on from its checkpoint, a record is whole or absent. Several
fleets may work through the same plans at once. A job is held by a lock that its commands inherit: the
kernel lets go of it when the last of them has ended, so a command that outlived its fleet still holds it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from attribution.errors import ResultError
from evaluation.files import write_whole
from evaluation.retraining.job import Job, Plan
from evaluation.retraining.recipe import Recipe
from evaluation.retraining.records import Records
from evaluation.retraining.spending import seconds_of, spend, spent
from evaluation.retraining.together import Together, Untrained

ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    # Where JAX is installed, whatever touches it first takes three quarters of the GPU's memory.
    "JAX_PLATFORMS": "cpu",
}
PAUSE = 1.0  # seconds, before it is looked again which models are there
KEPT = "keep"  # in a job's folder: its model was asked for by itself
Told = Callable[[str], None]


@dataclass(frozen=True)
class Planned:
    """A plan, the file that it was read from, and its recipe, whose pictures are hashed once."""

    path: Path
    plan: Plan
    recipe: Recipe


def measuring_command(
    planned: Planned, number: int, model: Path, records: Records, cpu_seconds: float
) -> list[str]:
    """A process of its own: what it allocates is gone with it, and it has one thread as a training has."""
    command = [sys.executable, "-m", "evaluation", "retraining", "measure", str(planned.path), str(number)]
    command += ["--model", str(model), "--records", str(records.folder)]
    return [*command, "--cpu-seconds", f"{cpu_seconds:.0f}"]


Measuring = Callable[[Planned, int, Path, Records, float], list[str]]


@dataclass(frozen=True)
class Fleet:
    """Where jobs are worked on.

    Attributes:
        work: checkpoints, models and logs of jobs in hand, a folder each.
        records: what is finished.
        keep: whether models stay when they are recorded.
        measuring: the command that measures a job, once its model is there, and writes its record.
        measured_on: the device of that; None for that of the training.
    """

    work: Path
    records: Records
    device: str = "cpu"
    keep: bool = False
    measuring: Measuring = measuring_command
    measured_on: str | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(
        self, plans: Sequence[tuple[Path, Plan]], workers: int, told: Told, together: int = 0
    ) -> list[str]:
        """Work through plans in their order; returns the log files of what failed.

        What another fleet has in hand is left to it, but looked at again at the end; what has failed is not
        tried again this time.

        Args:
            workers: jobs at once.
            together: if not 0, a command of the recipe's trains so many models at once, while the workers
                measure those that are there; then they train what it left.

        Raises:
            Cancelled: it was interrupted; its commands have been ended.
            SettingsError: a recipe has no command for many.
        """
        todo = [
            (Planned(path, plan, recipe), n)
            for path, plan in plans
            for recipe in [plan.sources()[0]]
            for n in range(len(plan.jobs))
        ]
        failed: dict[str, str] = {}
        with ExitStack() as held, ThreadPoolExecutor(workers + 1) as pool:
            groups = self._groups(todo, held) if together else []
            trainer = pool.submit(self._train_together, groups, together, told)
            waiting = _Shared(_rounds(todo, trainer))
            running = [pool.submit(self._work, waiting, failed, told) for _ in range(workers)]
            try:
                for each in running:
                    each.result()
            except BaseException:
                self._stop.set()  # the commands are ended by the threads that wait for them
                raise
        return [*trainer.result(), *failed.values()]

    def train(self, recipe: Recipe, plan: Plan, job: Job) -> Path:
        """Train a job's model without measuring it; returns its folder, which stays whoever records it.

        Raises:
            ResultError: another fleet has it in hand, or the command failed; names its log.
        """
        with self._held(plan.training_key(job)) as held:
            if held is None:
                raise ResultError("another fleet has this training in hand: wait for it, or stop it")
            problem = self._trained(recipe, plan, job, held)
            if problem is not None:
                raise ResultError(f"the training failed: see {problem}")
            (self.folder(plan, job) / KEPT).touch()
        return self.folder(plan, job) / "model"

    def folder(self, plan: Plan, job: Job) -> Path:
        """Where a job is worked on. Jobs that need the same model share it."""
        return self.work / plan.training_key(job)

    def in_hand(self, plan: Plan, job: Job) -> bool:
        """Whether some fleet holds the job now."""
        if not (self.folder(plan, job) / "lock").exists():
            return False
        with self._held(plan.training_key(job)) as held:
            return held is None

    def _work(self, waiting: Iterator[tuple[Planned, int]], failed: dict[str, str], told: Told) -> None:
        """Do jobs until there are no more; the logs of failures are noted by the record's key."""
        for planned, number in waiting:
            if self._stop.is_set():
                return
            key = planned.plan.key(planned.plan.jobs[number])
            problem = None if key in failed else self._job(planned, number, told)
            if problem is not None:
                failed[key] = problem

    def _groups(self, todo: Sequence[tuple[Planned, int]], held: ExitStack) -> list[Together]:
        """What is not there and in nobody's hand is held from now on; a group a recipe."""
        asked: dict[str, dict[str, Untrained]] = {}
        recipes = {planned.recipe.digest: planned.recipe for planned, _ in todo}
        for planned, number in todo:
            plan, job = planned.plan, planned.plan.jobs[number]
            if not self.records.has(plan.key(job)):
                each = Untrained(self.folder(plan, job), job.left_out, job.seed)
                asked.setdefault(planned.recipe.digest, {})[plan.training_key(job)] = each
        return [
            held.enter_context(Together.holding(recipes[digest], [*group.values()], self._held))
            for digest, group in asked.items()
        ]

    def _train_together(self, groups: Sequence[Together], at_once: int, told: Told) -> list[str]:
        """Train each group by one command; returns the logs of those that failed."""
        failed = []
        for group in (group for group in groups if group.untrained):
            folder = self.work / f"together-{group.key}"  # another fleet's group has other models
            command = group.command(folder, at_once, self.device)
            told(f"{group.recipe.name}: {len(group.untrained)} models, {at_once} at once: {folder}/log.txt")
            problem = self._call(command, folder, [*group.locks.values()], group.let_go)
            if problem is not None:
                told(f"{group.recipe.name}: training together failed, see {problem}")
                failed.append(problem)
            group.let_go(everything=True)
        return failed

    def _job(self, planned: Planned, number: int, told: Told) -> str | None:
        """Do one job, unless it is done or in hand elsewhere; returns the log of a failure."""
        plan = planned.plan
        job, key = plan.jobs[number], plan.key(plan.jobs[number])
        if self.records.has(key):
            return None
        with self._held(plan.training_key(job)) as held:
            if held is None or self.records.has(key):  # finished while we took it
                return None
            began = time.monotonic()
            problem = self._trained(planned.recipe, plan, job, held)
            problem = problem or self._measured(planned, number, held)
            name = f"{plan.name} {number + 1}/{len(plan.jobs)} {_words(job)}"
            if self._stop.is_set():
                return None
            if problem is not None:
                told(f"{name}: failed, see {problem}")
                return problem
            if not self.keep and not (self.folder(plan, job) / KEPT).exists():
                for each in ("model", "checkpoints"):
                    shutil.rmtree(self.folder(plan, job) / each, ignore_errors=True)
            told(f"{name}: recorded as {key} after {(time.monotonic() - began) / 60:.1f} min")
        return None

    def _trained(self, recipe: Recipe, plan: Plan, job: Job, held: int) -> str | None:
        folder = self.folder(plan, job)
        model = folder / "model"
        if model.exists():
            return None
        ids = job.left_out.ids(recipe.training_set.ids)
        write_whole(folder / "left_out.txt", "".join(f"{each}\n" for each in ids).encode())
        command = recipe.training_command(
            folder / "left_out.txt", job.seed, model, folder / "checkpoints", self.device
        )
        problem = self._call(command, folder, [held])
        if problem is None and not model.exists() and not self._stop.is_set():
            return f"{folder / 'log.txt'} (the command wrote no {model})"
        return problem

    def _measured(self, planned: Planned, number: int, held: int) -> str | None:
        if self._stop.is_set():
            return None
        folder = self.folder(planned.plan, planned.plan.jobs[number])
        command = self.measuring(planned, number, folder / "model", self.records, spent(folder))
        command += ["--device", self.measured_on or self.device, "--trained-on", self.device]
        return self._call(command, folder, [held])

    def _call(
        self,
        command: Sequence[str],
        folder: Path,
        held: Sequence[int],
        meanwhile: Callable[[], None] = lambda: None,
    ) -> str | None:
        """Run a command to its end; what it says goes to the log, whose name is returned if it failed."""
        log = folder / "log.txt"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **ENVIRONMENT},
                pass_fds=tuple(held),
                start_new_session=True,  # Ctrl-C is ours; we end it
            )
            seconds = None
            try:
                while seconds is None and not self._stop.wait(0.2):
                    meanwhile()
                    seconds = seconds_of(process, os.WNOHANG)
            finally:  # stopped by another thread, or interrupted in this one
                if seconds is None:
                    process.terminate()
                    seconds = seconds_of(process, 0)
        spend(folder, seconds or 0.0)
        return None if process.returncode == 0 or self._stop.is_set() else str(log)

    @contextmanager
    def _held(self, training_key: str) -> Iterator[int | None]:
        """The lock of a training as an open file; None if another has it.

        The file is never deleted: who waits for a deleted one and who makes it anew would both hold it.
        """
        path = self.work / training_key / "lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
            else:
                yield handle
        finally:
            os.close(handle)


class _Shared(Iterator[tuple[Planned, int]]):
    """What several threads take from, each thing going to one of them."""

    def __init__(self, source: Iterator[tuple[Planned, int]]):
        self._source, self._lock = source, threading.Lock()

    def __next__(self) -> tuple[Planned, int]:
        with self._lock:
            return next(self._source)


def _rounds(
    todo: Sequence[tuple[Planned, int]], trainer: Future[list[str]]
) -> Iterator[tuple[Planned, int]]:
    """All jobs again and again while models are trained together, then twice."""
    while not trainer.done():
        yield from todo
        wait([trainer], timeout=PAUSE)
    yield from [*todo, *todo]


def _words(job: Job) -> str:
    labels = " ".join(f"{name}={value}" for name, value in job.labels.items())
    return f"({labels}, seed {job.seed}, {job.left_out.count} left out)"

"""Workers on the machines of a Ray cluster, which see the workspace, data and model under the same paths.

Each is an actor that keeps its model open. A lost one is replaced, on another node if its own is gone, and
what it had in hand is given out again. Workers that the cluster has no room for yet are given nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from attribution.errors import SettingsError, WorkerError
from attribution.workspace.executors.base import Asked, Executor, Order, Task
from attribution.workspace.executors.workers import (
    IN_HAND,
    PATIENCE,
    PULSE,
    Lost,
    Outcome,
    WithWorkers,
    Worker,
    room_here,
)
from attribution.workspace.writer import Chunk

INSTALL = "pip install -e .[scale]"  # in the checkout
ROOT = Path(__file__).parents[3]
TRIES = 3  # to begin a cluster here: Ray gives itself 30 s for one, and no setting gives it more
# What is to be alike in the workers: what is computed with, and what libraries may do.
PASSED_ON = (
    "WHENCE_ENGINE",
    "WHENCE_OFFLOAD",
    "WHENCE_CACHE",
    "HF_HUB_OFFLINE",
    "GOMP_SPINCOUNT",
    "OMP_WAIT_POLICY",
)


@dataclass
class _Actor:
    """One worker, or its successor.

    Attributes:
        coming: the answer of one that isn't there yet.
        lost: how many were since one has made a chunk.
    """

    handle: Any
    coming: Any
    lost: int = 0
    tasks: dict[Any, Task] = field(default_factory=dict)  # by what Ray calls their outcome


class Actors:
    """Workers that are actors of Ray.

    Args:
        ray: the library.
        cpus, gpus: of each worker.
        room: for how many of them there are cores and GPUs.
    """

    def __init__(self, ray: ModuleType, count: int, cpus: float, gpus: float, room: int):
        self._ray, self._count, self._room_for = ray, count, room
        self._kind = ray.remote(num_cpus=cpus, num_gpus=gpus)(Worker)
        self._there: list[_Actor] = []
        self._told: tuple[str, Any] = ("", None)  # the serial of the last order, and where it is kept

    def count(self) -> int:
        return self._count

    def side_by_side(self) -> int:
        return min(self._count, self._room_for)

    def free(self) -> bool:
        while len(self._there) < self._count:
            self._there.append(_Actor(*self._begun()))
        return any(self._room(each) for each in self._there)

    def _begun(self) -> tuple[Any, Any]:
        """An actor, and its first answer."""
        handle = self._kind.remote()
        return handle, handle.ready.remote()

    def _room(self, actor: _Actor) -> bool:
        return actor.coming is None and len(actor.tasks) < IN_HAND

    def give(self, order: Order, task: Task) -> None:
        least = min(filter(self._room, self._there), key=lambda each: len(each.tasks))
        if self._told[0] != order.serial:
            self._told = order.serial, self._ray.put(order)
        least.tasks[least.handle.outcome.remote(self._told[1], task)] = task

    def returned(self) -> list[tuple[Task, Outcome]]:
        waited = [key for each in self._there for key in each.tasks]
        waited += [each.coming for each in self._there if each.coming is not None]
        done, _ = self._ray.wait(waited, num_returns=1, timeout=PULSE)
        return [found for key in done for found in self._of(key)]

    def _of(self, key: Any) -> Iterator[tuple[Task, Outcome]]:
        """What comes of one answer: a chunk, a worker that is there, or one lost with all it had."""
        actor = next(each for each in self._there if key is each.coming or key in each.tasks)
        try:
            answer = self._ray.get(key)
        except self._ray.exceptions.RayError as problem:
            yield from self._lost(actor, problem)
            return
        if key is actor.coming:
            actor.coming = None
        else:
            actor.lost = 0
            yield actor.tasks.pop(key), _ours(answer)

    def _lost(self, actor: _Actor, problem: Exception) -> Iterator[tuple[Task, Outcome]]:
        why = " ".join(str(problem).split())[:200]
        actor.lost += 1
        if actor.lost > PATIENCE:
            raise WorkerError(f"a worker of the cluster cannot be started: {why}")
        tasks, actor.tasks = list(actor.tasks.values()), {}
        self._ray.kill(actor.handle)  # where it only could not be reached
        actor.handle, actor.coming = self._begun()
        yield from ((task, Lost(why)) for task in reversed(tasks))

    def drop(self) -> None:
        while self._there:
            self._ray.kill(self._there.pop().handle)


def _ours(answer: Chunk | Exception) -> Chunk | Exception:
    """Arrays that may be written to: Ray's lie in memory that it shares."""
    if isinstance(answer, Exception):
        return answer
    return {name: np.array(array) for name, array in answer.items()}


@dataclass(frozen=True)
class RayKind:
    name: str = "ray"
    takes: tuple[str, ...] = ("workers", "address", "gpus_per_task")

    def opened(self, asked: Asked, device: str) -> AbstractContextManager[Executor]:
        return _opened(_ray(), asked, device)


def _ray() -> ModuleType:
    try:
        import ray
    except ImportError:
        raise SettingsError(
            f"the executor ray needs Ray: install it with `{INSTALL}`, or use --executor processes"
        ) from None
    module: ModuleType = ray
    return module


@contextmanager
def _opened(ray: ModuleType, asked: Asked, device: str) -> Iterator[Executor]:
    cpus = float(torch.get_num_threads())
    gpus = asked.gpus_per_task if asked.gpus_per_task is not None else float(device != "cpu")
    try:
        _join(ray, asked, cpus)
        room = _capacity(ray, cpus, gpus)
        # One that begins here is told of as many cores as its workers ask for, be they there or not.
        real = room if asked.address is not None else min(room, room_here())
        workers = Actors(ray, asked.workers or room, cpus, gpus, real)
        try:
            yield WithWorkers(workers)
        finally:
            workers.drop()
    finally:
        ray.shutdown()


def _join(ray: ModuleType, asked: Asked, cpus: float) -> None:
    """Join the cluster, or begin one that is this machine alone.

    Raises:
        SettingsError: there is none at that address.
        WorkerError: this machine's own cannot be begun.
    """
    passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment = {"env_vars": {**passed, "PYTHONPATH": str(ROOT)}}
    own: dict[str, Any] = {}
    if asked.address is None:
        wanted = int((asked.workers or 0) * cpus)
        own = {"num_cpus": max(wanted, os.cpu_count() or 1), "include_dashboard": False}
    own |= {"runtime_env": environment, "log_to_driver": False, "logging_level": "ERROR"}
    try:
        _tried(partial(ray.init, asked.address, **own), TRIES if asked.address is None else 1)
    except Exception as problem:  # Ray's own is a bare one where its processes are too slow to begin
        reason = " ".join(str(problem).split())[:200]
        if asked.address is not None:
            raise SettingsError(f"there is no Ray cluster at {asked.address}: {reason}") from problem
        raise WorkerError(
            f"Ray did not begin on this machine ({reason}): try again when it is less busy, or use "
            "--executor processes"
        ) from problem


def _tried(begin: Callable[[], object], times: int) -> None:
    """Begin, up to so many times; what the last one raises is raised.

    What a try has left behind ends with this process, and the next one finds Ray's programs in memory.
    """
    for _ in range(times - 1):
        try:
            begin()
            return
        except Exception:
            continue
    begin()


def _capacity(ray: ModuleType, cpus: float, gpus: float) -> int:
    """How many workers the cluster has room for as it is now; at least one, which it may grow for."""
    there = ray.cluster_resources()
    rooms = [there.get("CPU", 0) / cpus] + ([there.get("GPU", 0) / gpus] if gpus else [])
    return max(1, int(min(rooms)))


EXECUTORS = (RayKind(),)

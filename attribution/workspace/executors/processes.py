"""Several processes of this machine: what several cores, or a GPU that one process leaves idle, are for."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from attribution.models.quiet import quiet_libraries
from attribution.workspace.executors.base import Asked, Executor, Order, Task
from attribution.workspace.executors.workers import (
    IN_HAND,
    PULSE,
    Lost,
    Outcome,
    WithWorkers,
    Worker,
    room_here,
)

# From one process that has imported torch and computed nothing: a lost worker is there again at once.
CONTEXT = multiprocessing.get_context("forkserver")
PRELOADED = ["attribution.workspace.executors.processes", "attribution.models.stable_diffusion"]


@dataclass
class _Process:
    """One worker, and the tasks that it has in hand, in the order in which it makes them."""

    process: BaseProcess
    connection: Connection
    tasks: list[Task] = field(default_factory=list)
    told: str = ""  # the serial of the last order that it knows

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class Processes:
    """Workers that are processes; each is spoken with over a pipe, and ends when its other end is gone."""

    def __init__(self, count: int):
        self._count = count
        self._there: list[_Process] = []

    def count(self) -> int:
        return self._count

    def side_by_side(self) -> int:
        return min(self._count, room_here())

    def free(self) -> bool:
        return len(self._there) < self._count or any(len(each.tasks) < IN_HAND for each in self._there)

    def give(self, order: Order, task: Task) -> None:
        while len(self._there) < self._count:
            self._there.append(_begun())
        least = min(self._there, key=lambda each: len(each.tasks))
        least.tasks.append(task)
        with suppress(OSError):  # it is gone, which `returned` finds out
            if least.told != order.serial:
                least.connection.send_bytes(order.told)
                least.told = order.serial
            least.connection.send_bytes(pickle.dumps(task))

    def returned(self) -> list[tuple[Task, Outcome]]:
        busy = {each.connection: each for each in self._there if each.tasks}
        found: list[tuple[Task, Outcome]] = []
        for connection in wait(list(busy), PULSE):
            each = busy[connection]  # type: ignore[index]  # these are the very connections that were given
            try:
                outcome = each.connection.recv()
            except (EOFError, OSError):
                self._there.remove(each)
                each.end()
                lost = Lost(f"a process ended with {each.process.exitcode}")
                found += [(task, lost) for task in reversed(each.tasks)]
            else:
                found.append((each.tasks.pop(0), outcome))
        return found

    def drop(self) -> None:
        while self._there:
            self._there.pop().end()


def _begun() -> _Process:
    ours, theirs = CONTEXT.Pipe()
    process = CONTEXT.Process(target=work, args=(theirs,), daemon=True)
    process.start()
    theirs.close()
    return _Process(process, ours)


def work(connection: Connection) -> None:
    """What a worker's process does until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    quiet_libraries()
    worker = Worker()
    try:
        while True:
            told = pickle.loads(connection.recv_bytes())
            if isinstance(told, Order):
                order = told
            else:
                connection.send(worker.outcome(order, told))
    except (EOFError, OSError):
        return


@dataclass(frozen=True)
class ProcessesKind:
    name: str = "processes"
    takes: tuple[str, ...] = ("workers",)

    def opened(self, asked: Asked, device: str) -> AbstractContextManager[Executor]:
        return _opened(asked.workers or os.cpu_count() or 1)


@contextmanager
def _opened(count: int) -> Iterator[Executor]:
    CONTEXT.set_forkserver_preload(PRELOADED)
    workers = Processes(count)
    try:
        yield WithWorkers(workers)
    finally:
        workers.drop()


EXECUTORS = (ProcessesKind(),)

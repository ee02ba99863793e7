"""What executors of several workers share: the worker, and how tasks are given out and given out again."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from attribution.errors import MismatchError, WorkerError
from attribution.workspace.executors.base import Made, Maker, Order, Task, machine_here
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk

IN_HAND = 2  # tasks of a worker: it goes on while the chunk that it has made is being kept
AHEAD = 8  # chunks, for each worker, between the first that is still being made and the last that is begun
PULSE = 0.3  # seconds after which it is said that nothing has come: one may want to stop
PATIENCE = 5  # losses of a worker, on average over all, after which no chunk has been made


@dataclass(frozen=True)
class Lost:
    """What comes of a task whose worker is gone. `why`: in a few words, of what tells us so."""

    why: str


Outcome = Chunk | Exception | Lost


class Worker:
    """Makes chunks in a process of its own, and keeps the workspace open from one to the next."""

    def __init__(self) -> None:
        self._workspace: Workspace | None = None
        self._opened_as: tuple[object, ...] = ()
        self._serial = ""

    def outcome(self, order: Order, task: Task) -> Chunk | Exception:
        """Return the chunk, or what went wrong in making it, for the process that keeps chunks to raise."""
        try:
            return order.maker.chunk(self._opened(order), task.rows, order.batch_size)
        except Exception as problem:
            return problem

    def ready(self) -> None:
        """Return at once: a worker that answers is there."""

    def _opened(self, order: Order) -> Workspace:
        opened_as = (order.folder, order.device, order.passes)
        if self._workspace is None or self._opened_as != opened_as:
            torch.set_num_threads(order.machine.threads)
            if difference := order.machine.difference(machine_here(order.device)):
                raise MismatchError(
                    f"a worker has {difference}, so its numbers would be rounded otherwise: let all "
                    "machines be alike, the one that runs this command too"
                )
            self._workspace, self._opened_as = Workspace.open(*opened_as), opened_as
        if order.serial != self._serial:
            self._workspace.forget()
            self._serial = order.serial
        return self._workspace


def room_here() -> int:
    """How many workers this machine has cores for, each of which uses as many threads as this process."""
    return max(1, (os.cpu_count() or 1) // torch.get_num_threads())


@runtime_checkable
class Workers(Protocol):
    """Some workers, wherever they are. Those that are lost are replaced."""

    def count(self) -> int:
        """Return how many there are to be."""
        ...

    def side_by_side(self) -> int:
        """Return how many compute at once, each as quickly as this process does alone."""
        ...

    def free(self) -> bool:
        """Whether one is there that can be given another task."""
        ...

    def give(self, order: Order, task: Task) -> None:
        """Give a task to one that is free."""
        ...

    def returned(self) -> list[tuple[Task, Outcome]]:
        """Wait until something comes of what was given, or for `PULSE`: then maybe nothing has."""
        ...

    def drop(self) -> None:
        """Let go of everything that was given."""
        ...


class WithWorkers:
    """The executor of some workers."""

    def __init__(self, workers: Workers):
        self.workers = workers

    def chunks(
        self, workspace: Workspace, maker: Maker, batch_size: int, tasks: Sequence[Task]
    ) -> Generator[Made, None, None]:
        order = Order.of(workspace, maker, batch_size)
        waiting, given, losses = deque(tasks), dict[int, Task](), 0
        try:
            while waiting or given:
                while waiting and self._near(waiting[0], given) and self.workers.free():
                    task = waiting.popleft()
                    self.workers.give(order, task)
                    given[task.number] = task
                returned = self.workers.returned()
                if not returned:
                    yield None
                for task, outcome in returned:
                    del given[task.number]
                    if isinstance(outcome, Lost):
                        losses += 1
                        self._check(losses, outcome)
                        waiting.appendleft(task)
                    elif isinstance(outcome, Exception):
                        raise outcome
                    else:
                        losses = 0
                        yield task, outcome
        finally:
            if given:
                self.workers.drop()

    def side_by_side(self) -> int:
        return self.workers.side_by_side()

    def _near(self, task: Task, given: dict[int, Task]) -> bool:
        """Whether it isn't too far from those that are being made: chunks of a sum wait for their turn."""
        return task.number - min(given, default=task.number) < AHEAD * self.workers.count()

    def _check(self, losses: int, lost: Lost) -> None:
        if losses > PATIENCE * IN_HAND * self.workers.count():
            raise WorkerError(
                f"workers are lost before one chunk is made ({lost.why}), most often for want of memory: "
                "use fewer --workers, or a smaller --batch-size or --chunk"
            )

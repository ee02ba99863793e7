"""The executor that is always there: this very process, one chunk after the other, in order."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from attribution.workspace.executors.base import HERE, Asked, Executor, Made, Maker, Task
from attribution.workspace.workspace import Workspace


class Local:
    """Uses the workspace as it is open here."""

    def chunks(
        self, workspace: Workspace, maker: Maker, batch_size: int, tasks: Sequence[Task]
    ) -> Generator[Made, None, None]:
        for task in tasks:
            yield task, maker.chunk(workspace, task.rows, batch_size)

    def side_by_side(self) -> int:
        return 1


@dataclass(frozen=True)
class LocalKind:
    name: str = HERE
    takes: tuple[str, ...] = ()

    def opened(self, asked: Asked, device: str) -> AbstractContextManager[Executor]:
        return nullcontext(Local())


EXECUTORS = (LocalKind(),)

"""The executor that is always there: this very process, one chunk after the other, in order."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk
from precompute.executors.base import Asked, Executor, Task
from precompute.jobs.base import MakesChunks


class Local:
    """Uses the workspace as it is open here."""

    def chunks(
        self, workspace: Workspace, job: MakesChunks, batch_size: int, tasks: Sequence[Task]
    ) -> Generator[tuple[Task, Chunk], None, None]:
        for task in tasks:
            yield task, job.chunk(workspace, task.rows, batch_size)


@dataclass(frozen=True)
class LocalKind:
    name: str = "local"
    takes: tuple[str, ...] = ()

    def opened(self, asked: Asked, device: str) -> AbstractContextManager[Executor]:
        return nullcontext(Local())


EXECUTORS = (LocalKind(),)

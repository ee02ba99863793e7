"""A full measurement in parts: here, one after the other, or by an executor, in whatever order.

A part is a function of the workspace, the weights and which images it is of. So it is the same numbers
whoever measures it, and the parts are looked at in their order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Int
from numpy import ndarray

from attribution.results import Progress, returned
from attribution.unlearning.racing import Rises
from attribution.workspace.cache import Cache
from attribution.workspace.executors.base import Executor, Task
from attribution.workspace.workspace import Workspace
from attribution.workspace.writer import Chunk

PART = 128  # images of a full measurement between two looks at the ranking


@runtime_checkable
class Measurement(Protocol):
    """What each draw of a training image is worth to a method, and what it costs."""

    @property
    def method(self) -> str:
        """In whose name progress is yielded."""
        ...

    def worth(
        self, rows: Int[ndarray, " n"], noises: range, stage: str
    ) -> Generator[Progress, None, Rises]:
        """Yield progress; return what every draw of some training images is worth.

        Args:
            noises: their numbers.
            stage: what is being done, as progress says it.
        """
        ...

    def draws_of(self, noises: range) -> int:
        """How many forward passes one image takes with the noises of these numbers."""
        ...


# How images are measured in a workspace, be it here or in another process that has it open: plain values.
Measuring = Callable[[Workspace], Measurement]


@dataclass(frozen=True)
class Part:
    """The candidates in some places, measured."""

    places: range
    worths: Rises


@dataclass(frozen=True)
class PartMaker:
    """What an executor's workers make parts with.

    Attributes:
        rows: of all candidates.
        noises: of each image.
    """

    measuring: Measuring
    rows: Int[ndarray, " candidates"]
    noises: range

    def chunk(self, workspace: Workspace, rows: range, batch_size: int) -> Chunk:
        """Measure the candidates in some places; how large its passes are the measurement knows."""
        worth = self.measuring(workspace).worth
        return {"worths": returned(worth(self.rows[rows.start : rows.stop], self.noises, ""))}


def parts(
    workspace: Workspace, measuring: Measuring, rows: Int[ndarray, " candidates"], noises: range
) -> Iterator[Progress | Part]:
    """Progress, and all candidates part by part, in their order."""
    places = [range(start, min(start + PART, len(rows))) for start in range(0, len(rows), PART)]
    if workspace.executor is None or len(places) == 1:
        yield from _measured_here(measuring(workspace), rows, noises, places)
    else:
        maker = PartMaker(measuring, rows, noises)
        yield from _measured_by(workspace.executor, workspace, maker, places)


def _measured_here(
    measurement: Measurement, rows: Int[ndarray, " candidates"], noises: range, places: list[range]
) -> Iterator[Progress | Part]:
    for each in places:
        stage = f"measuring training images {each.start + 1:,} to {each.stop:,} of {len(rows):,}"
        yield Part(each, (yield from measurement.worth(rows[each.start : each.stop], noises, stage)))


def _measured_by(
    executor: Executor, workspace: Workspace, maker: PartMaker, places: list[range]
) -> Iterator[Progress | Part]:
    """Also while nothing comes progress is yielded, so that one can stop."""
    measurement, total = maker.measuring(workspace), len(maker.rows)
    draws, stage = measurement.draws_of(maker.noises), f"measuring {total:,} training images"
    done, turn, early = 0, 0, dict[int, Rises]()
    first: tuple[int, float] | None = None  # images of the first part that came, and when
    tasks = [Task(number, each) for number, each in enumerate(places)]
    yield Progress(measurement.method, stage, 0, total * draws)
    with closing(executor.chunks(workspace, maker, workspace.batch_size, tasks)) as made:
        for found in made:
            if found is not None:
                task, chunk = found
                early[task.number] = chunk["worths"]
                done += len(task.rows)
                first = first or (done, time.perf_counter())
            yield Progress(measurement.method, stage, done * draws, total * draws)
            while turn < len(places) and turn in early:
                yield Part(places[turn], early.pop(turn))
                turn += 1
    if first is not None:
        _shared(workspace).put("", (total - first[0]) * draws / (time.perf_counter() - first[1]))


def rate_of_all(workspace: Workspace, alone: float) -> float:
    """How many draws a second are made where every training image is measured, by whoever measures them.

    That is as many as they made of the last question. Before one, workers are as many times as quick as
    this process as they are side by side, of which it isn't known how they disturb each other.

    Args:
        alone: draws that this process makes a second.
    """
    if workspace.executor is None or len(workspace.training_set) <= PART:
        return alone
    return _shared(workspace).get("") or alone * workspace.executor.side_by_side()


def _shared(workspace: Workspace) -> Cache[float]:
    """Draws a second of the last question that was shared out, once workers had opened the model."""
    remembered: Cache[float] = workspace.cache("rate of workers", 1)
    return remembered

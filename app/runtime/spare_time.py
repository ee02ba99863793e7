"""Work that nobody has asked for, done while nobody waits for the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Generator
from typing import TypeVar

from app.runtime.queue import ModelQueue
from app.runtime.worker import Worker, next_event

Event = TypeVar("Event")
CALM = 1.5  # seconds before the first step: whoever has a new picture often asks at once
PAUSE = 0.5  # seconds between two looks at a step of somebody else's


class SpareTime:
    """Takes the steps of such work one at a time, whoever it is for.

    Somebody who asks meanwhile waits for the one step that has begun, and for no other. No thread waits.
    """

    def __init__(self, queue: ModelQueue, worker: Worker) -> None:
        self._queue, self._worker = queue, worker

    async def steps(
        self, events: Generator[Event, None, None], wanted: Callable[[], bool]
    ) -> AsyncIterator[Event]:
        """The events of a generator, as time is to spare; ends with it, or once it is not wanted."""
        calm = False
        try:
            while wanted():
                if not calm or not self._queue.is_empty:
                    await asyncio.sleep(CALM)
                    calm = self._queue.is_empty
                    continue
                if not self._worker.spare.acquire(blocking=False):
                    await asyncio.sleep(PAUSE)
                    continue
                try:
                    found = await asyncio.wrap_future(self._worker.begin(next_event, events))
                finally:
                    self._worker.spare.release()
                if not found:
                    return
                yield found[0]
        finally:
            self._worker.begin(events.close)  # behind its last step, if that is still being taken

"""Laws of work that nobody has asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator

import pytest

from app.runtime import spare_time
from app.runtime.queue import ModelQueue
from app.runtime.spare_time import SpareTime
from app.runtime.worker import Worker


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spare_time, "PAUSE", 0.001)
    monkeypatch.setattr(spare_time, "CALM", 0.001)


def counted(log: list[object], last: int = 4) -> Generator[int, None, None]:
    try:
        for number in range(last):
            log.append(number)
            yield number
    finally:
        log.append("closed")


async def taken(
    spare: SpareTime, log: list[object], wanted: Callable[[], bool] = lambda: True
) -> list[int]:
    return [number async for number in spare.steps(counted(log), wanted)]


def test_every_step_is_taken_where_nobody_waits() -> None:
    log: list[object] = []
    assert asyncio.run(taken(SpareTime(ModelQueue(), Worker()), log)) == [0, 1, 2, 3]


def test_it_waits_for_as_long_as_somebody_is_at_the_model() -> None:
    """Law: What nobody asked for takes no step while anyone is at the model or waits for it."""
    queue, log = ModelQueue(), list[object]()

    async def watched() -> list[int]:
        spare = SpareTime(queue, Worker())
        steps = spare.steps(counted(log), lambda: True)
        first = await anext(steps)
        with queue.join("attribute"):
            rest = asyncio.ensure_future(anext(steps))
            for _ in range(50):
                await asyncio.sleep(0.001)
            assert log == [0]
            assert not rest.done()
        return [first, await rest, *[number async for number in steps]]

    assert asyncio.run(watched()) == [0, 1, 2, 3]


def test_whoever_asks_as_soon_as_a_picture_is_there_waits_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Law: What nobody asked for takes no step before the line was calm for a moment."""
    monkeypatch.setattr(spare_time, "CALM", 0.05)
    queue, log = ModelQueue(), list[object]()

    async def watched() -> list[object]:
        steps = SpareTime(queue, Worker()).steps(counted(log), lambda: True)
        first = asyncio.ensure_future(anext(steps))
        await asyncio.sleep(0.01)
        with queue.join("attribute"):
            await asyncio.sleep(0.1)
            before = list(log)
        await first
        await steps.aclose()
        return before

    assert asyncio.run(watched()) == []
    assert log[0] == 0


def test_it_ends_and_is_closed_once_it_is_not_wanted() -> None:
    log: list[object] = []
    worker = Worker()
    spare = SpareTime(ModelQueue(), worker)
    assert asyncio.run(taken(spare, log, lambda: len(log) < 2)) == [0, 1]
    worker.do(lambda: None)  # what comes behind the closing
    assert log == [0, 1, "closed"]


def test_one_step_is_taken_at_a_time_whoever_it_is_for() -> None:
    """Law: Whoever asks waits for one step of what nobody asked for, however many pages are traced."""
    worker, queue = Worker(), ModelQueue()
    at_once: list[int] = []

    class Counting(Worker):
        under_way = 0

        def begin(self, work, *args, **kwargs):  # type: ignore[no-untyped-def]
            if not args or getattr(work, "__name__", "") != "next_event":
                return worker.begin(work, *args, **kwargs)
            Counting.under_way += 1
            at_once.append(Counting.under_way)
            result = worker.begin(work, *args, **kwargs)
            result.add_done_callback(lambda _: setattr(Counting, "under_way", Counting.under_way - 1))
            return result

    counting = Counting()

    async def together() -> list[list[int]]:
        pages = [SpareTime(queue, counting) for _ in range(3)]
        return await asyncio.gather(*(taken(page, []) for page in pages))

    assert asyncio.run(together()) == [[0, 1, 2, 3]] * 3
    assert set(at_once) == {1}

"""Laws of the one thread that computes."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator

import pytest

from app.runtime.worker import Worker


def test_every_step_is_taken_in_one_thread_whoever_asks() -> None:
    worker, seen = Worker(), set()

    def events() -> Iterator[int]:
        for number in range(5):
            seen.add(threading.get_ident())
            yield number

    found: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda: found.append(list(worker.steps(events())))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == [[0, 1, 2, 3, 4]] * 4
    assert len(seen) == 1
    assert seen.isdisjoint({threading.get_ident()})


def test_errors_come_through_and_who_goes_away_closes_what_was_begun() -> None:
    worker, closed = Worker(), []

    def events() -> Iterator[int]:
        try:
            yield 1
            raise ValueError("no")
        finally:
            closed.append(True)

    with pytest.raises(ValueError, match="no"):
        list(worker.steps(events()))
    begun = worker.steps(events())
    assert isinstance(begun, Generator)
    assert next(begun) == 1
    begun.close()
    assert closed == [True, True]
    assert worker.do(len, "abc") == 3

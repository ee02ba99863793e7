"""Laws of the line for the model."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from app.runtime.queue import GIVEN_UP, BusyError, Line, waiting_words
from app.runtime.worker import Worker


def test_people_come_to_the_model_in_the_order_in_which_they_came() -> None:
    line = Line()
    places = [line.join("generate") for _ in range(3)]
    assert [place.turn(0) for place in places] == [True, False, False]
    with places[0]:
        assert not places[1].turn(0)
    assert [place.turn(0) for place in places[1:]] == [True, False]
    with places[2]:  # who leaves from the middle holds nobody up
        pass
    with places[1]:
        pass
    assert line.join("generate").turn(0)


def test_one_at_a_time_from_real_threads() -> None:
    """Law: The model computes for one at a time, in the order in which people came."""
    line, at_the_model, most, done = Line(), [0], [0], []

    def person(number: int) -> None:
        with line.join("generate") as place:
            while not place.turn(0.05):
                pass
            at_the_model[0] += 1
            most[0] = max(most[0], at_the_model[0])
            done.append(number)
            at_the_model[0] -= 1

    threads = [threading.Thread(target=person, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == list(range(20))
    assert most == [1]


def test_a_full_line_says_so_politely() -> None:
    line = Line(longest=2)
    for _ in range(3):  # one at the model, two waiting
        line.join("refined")
    with pytest.raises(BusyError, match="3 people before you"):
        line.join("refined")


def test_the_wait_is_what_those_before_usually_take() -> None:
    now = 0.0
    line = Line(clock=lambda: now)
    for seconds in (4.0, 6.0, 8.0):
        with line.join("refined") as place:
            assert place.turn(0)
            now += seconds
    first, last = line.join("refined"), line.join("refined")
    assert first.turn(0)
    now += 2.0
    assert last.words() == "1 person before you, about 4 s"


def test_a_page_that_was_closed_without_a_word_holds_nobody_up() -> None:
    """Law: A page that was closed without a word holds nobody up."""
    now = 0.0
    line = Line(clock=lambda: now)
    gone, waits = line.join("refined"), line.join("refined")
    assert gone.turn(0)
    now += GIVEN_UP - 1
    assert not waits.turn(0)
    now += 2
    assert waits.turn(0)


def test_waiting_is_told_in_words() -> None:
    assert waiting_words(1, 0.2) == "1 person before you, about 1 s"
    assert waiting_words(3, 200) == "3 people before you, about 3 min"


# The worker


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
    assert next(begun) == 1
    begun.close()
    assert closed == [True, True]
    assert worker.do(len, "abc") == 3

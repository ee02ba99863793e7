"""Laws of the queue for the model."""

from __future__ import annotations

import threading

import pytest

from app.runtime.queue import GIVEN_UP, OF_ONE, BusyError, ModelQueue, waiting_words


def test_people_come_to_the_model_in_the_order_in_which_they_came() -> None:
    queue = ModelQueue()
    places = [queue.join("generate") for _ in range(3)]
    assert [place.turn(0) for place in places] == [True, False, False]
    with places[0]:
        assert not places[1].turn(0)
    assert [place.turn(0) for place in places[1:]] == [True, False]
    with places[2]:  # who leaves from the middle holds nobody up
        pass
    with places[1]:
        pass
    assert queue.join("generate").turn(0)


def test_one_at_a_time_from_real_threads() -> None:
    """Law: The model computes for one at a time, in the order in which people came."""
    queue, at_the_model, most, done = ModelQueue(), [0], [0], []

    def person(number: int) -> None:
        with queue.join("generate") as place:
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
    queue = ModelQueue(longest=2)
    for _ in range(3):  # one at the model, two waiting
        queue.join("refined")
    with pytest.raises(BusyError, match="3 people before you"):
        queue.join("refined")


def test_the_wait_is_what_those_before_usually_take() -> None:
    now = 0.0
    queue = ModelQueue(clock=lambda: now)
    for seconds in (4.0, 6.0, 8.0):
        with queue.join("refined") as place:
            assert place.turn(0)
            now += seconds
    first, last = queue.join("refined"), queue.join("refined")
    assert first.turn(0)
    now += 2.0
    assert last.words() == "1 person before you, about 4 s"


def test_a_page_that_was_closed_without_a_word_holds_nobody_up() -> None:
    """Law: A page that was closed without a word holds nobody up."""
    now = 0.0
    queue = ModelQueue(clock=lambda: now)
    gone, waits = queue.join("refined"), queue.join("refined")
    assert gone.turn(0)
    now += GIVEN_UP - 1
    assert not waits.turn(0)
    now += 2
    assert waits.turn(0)


def test_waiting_is_told_in_words() -> None:
    assert waiting_words(1, 0.2) == "1 person before you, about 1 s"
    assert waiting_words(3, 200) == "3 people before you, about 3 min"


def test_one_address_cannot_fill_the_line() -> None:
    """Law: One address has a few places in the line at most, and the others are left to others."""
    queue = ModelQueue()
    places = [queue.join("refined", "10.0.0.1") for _ in range(OF_ONE)]
    with pytest.raises(BusyError, match="your address"):
        queue.join("refined", "10.0.0.1")
    assert queue.join("refined", "10.0.0.2")
    with places[0]:
        pass
    assert queue.join("refined", "10.0.0.1")
